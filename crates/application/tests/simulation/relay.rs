//! A relay, and its sudden end.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    ports::Signal,
    relay::{Relay, RelayOptions, RelayTarget},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{broker::Publisher, outbox::ProcessOutbox, process::Process};

pub(crate) struct RunningRelay {
    stop: CancellationToken,
    /// `None` once it has ended in order.
    task: Option<JoinHandle<()>>,
}

impl RunningRelay {
    pub(crate) fn start(process: &Arc<Process>) -> Self {
        let world = &process.world;
        let options = RelayOptions {
            batch: 1 + u32::try_from(world.chance.below(5)).expect("small"),
            poll: Duration::from_millis(200),
            lease_ttl: Duration::from_millis(900),
        };
        let store = Arc::new(ProcessOutbox::new(process));
        let target = RelayTarget::Broker(Arc::new(Publisher(process.clone())));
        let relay = Relay::new(store.clone(), store, target, Signal::new(), world.ids.next_id(), options);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { relay.run(&stopped).await });
        Self { stop, task: Some(task) }
    }

    pub(crate) async fn kill(self) {
        if let Some(task) = self.task {
            task.abort();
            let _cancelled = task.await;
        }
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(task) = &mut self.task {
            let _ended = task.await;
            self.task = None;
        }
    }
}
