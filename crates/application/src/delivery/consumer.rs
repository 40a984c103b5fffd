use std::{sync::Arc, time::Duration};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{
    Routes,
    lanes::{Lanes, Work},
};
use crate::ports::DeliveryStream;

/// The bounds of a consumer.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerOptions {
    /// The most memory that events under way may take, in bytes. A larger event goes alone.
    pub memory: usize,
    /// How long work that has begun may go on after a stop.
    pub drain: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self { memory: 32 * 1024 * 1024, drain: Duration::from_secs(8) }
    }
}

/// What a consumer is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsumerStatus {
    /// Not yet subscribed.
    #[default]
    Starting,
    /// Taking events.
    Running,
    /// Finishing what has begun.
    Draining,
    /// Ended.
    Stopped,
}

/// Pumps a delivery stream through lanes to the handlers.
pub struct Consumer {
    routes: Routes,
    options: ConsumerOptions,
    status: watch::Sender<ConsumerStatus>,
}

impl Consumer {
    /// A consumer for `routes`.
    pub fn new(routes: Routes, options: ConsumerOptions) -> Self {
        Self { routes, options, status: watch::Sender::default() }
    }

    /// Tells what it is doing, now and from now on.
    pub fn status(&self) -> watch::Receiver<ConsumerStatus> {
        self.status.subscribe()
    }

    /// Takes events from `stream` until it ends or `stop` is cancelled; then finishes what has begun, for at most
    /// [`ConsumerOptions::drain`] or until `hard_stop`, acknowledges it, and gives the rest back.
    pub async fn run(
        &self,
        mut stream: Box<dyn DeliveryStream>,
        stop: &CancellationToken,
        hard_stop: &CancellationToken,
    ) {
        // Children, so that the end of this stream ends its lanes and nothing else.
        let (stop, hard_stop) = (stop.child_token(), hard_stop.child_token());
        let lanes = Lanes::new(self.routes.clone(), stop.clone(), hard_stop.clone());
        let most = self.options.memory.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        let memory = Arc::new(Semaphore::new(most));
        self.status.send_replace(ConsumerStatus::Running);
        while let Some(Some(batch)) = stop.run_until_cancelled(stream.next()).await {
            lanes.begin_batch();
            for delivery in batch {
                let size = u32::try_from(delivery.event.size().min(most)).unwrap_or(u32::MAX);
                let share = memory.clone().acquire_many_owned(size);
                // Never closed, so the only other way out is the stop: the delivery then goes back by being dropped.
                let Some(Ok(memory)) = stop.run_until_cancelled(share).await else { break };
                lanes.dispatch(Work { delivery, memory });
            }
        }
        self.status.send_replace(ConsumerStatus::Draining);
        stop.cancel();
        let drained = async {
            if tokio::time::timeout(self.options.drain, lanes.drained()).await.is_err() {
                hard_stop.cancel();
                tracing::warn!(drain = ?self.options.drain, "handlers did not finish in time; their events will arrive again");
            }
            lanes.drained().await;
        };
        drained.await;
        if let Err(error) = stream.close().await {
            tracing::warn!(%error, "acknowledgements were lost at the end; their events will arrive again and be skipped");
        }
        self.status.send_replace(ConsumerStatus::Stopped);
    }
}
