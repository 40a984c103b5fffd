use std::{
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::join_all};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{Entry, Routes};
use crate::{orchestrator::panic_message, ports::Delivery};

/// How long the broker keeps an event that could neither be taken nor written down.
const GIVE_BACK_PAUSE: Duration = Duration::from_secs(1);

/// A delivery on its way through a lane, with its share of the memory bound.
pub(super) struct Work {
    pub(super) delivery: Delivery,
    pub(super) memory: OwnedSemaphorePermit,
}

/// One lane per partition key that has events: order within a lane, concurrency across lanes. A lane is a task that lives while
/// its key has work, so that a slow or failing key holds up no other.
#[derive(Clone)]
pub(super) struct Lanes(Arc<Inner>);

struct Inner {
    routes: Routes,
    keys: Mutex<Keys>,
    tasks: TaskTracker,
    stop: CancellationToken,
    hard_stop: CancellationToken,
}

#[derive(Default)]
struct Keys {
    /// What waits behind the event in work, by key.
    waiting: HashMap<String, VecDeque<Work>>,
    /// The how manyth batch is under way.
    batch: u64,
    /// Keys of which an event went back to the broker: which one, and in which batch. What was taken before it went back must not overtake it: that came with the same batch,
    /// or with the next, which may have been taken already.
    returned: HashMap<String, (Uuid, u64)>,
}

impl Lanes {
    pub(super) fn new(routes: Routes, stop: CancellationToken, hard_stop: CancellationToken) -> Self {
        Self(Arc::new(Inner { routes, keys: Mutex::default(), tasks: TaskTracker::new(), stop, hard_stop }))
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        // A panic while it was held cannot have left it half changed: all changes are single calls.
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deliveries have come that are about to be dispatched.
    pub(super) fn begin_batch(&self) {
        let mut keys = self.keys();
        keys.batch += 1;
        let batch = keys.batch;
        keys.returned.retain(|_, (_, returned)| batch <= *returned + 1);
    }

    /// Puts a delivery behind those of its key, or gives it back with one of them.
    pub(super) fn dispatch(&self, work: Work) {
        let key = work.delivery.event.partition_key.clone();
        {
            let mut keys = self.keys();
            if keys.returned.get(&key).is_some_and(|(event, _)| *event != work.delivery.event.id) {
                drop(keys);
                drop(work);
                return;
            }
            // The one that went back itself: those behind it come after it.
            keys.returned.remove(&key);
            if let Some(queue) = keys.waiting.get_mut(&key) {
                queue.push_back(work);
                return;
            }
            keys.waiting.insert(key.clone(), VecDeque::new());
        }
        let lanes = self.clone();
        self.0.tasks.spawn(async move { lanes.run(key, work).await });
    }

    /// Waits until every lane has ended. Only after `stop`, or it may never happen.
    pub(super) async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn run(&self, key: String, first: Work) {
        let mut next = Some(first);
        while let Some(work) = next.take() {
            let event = work.delivery.event.id;
            let taken = self.0.hard_stop.run_until_cancelled(self.handle(work)).await.unwrap_or(false);
            let mut keys = self.keys();
            // Given back: what has not begun when stopping, and what must not overtake an event that went back. It goes by being
            // dropped, outside of the lock.
            if !taken || self.0.stop.is_cancelled() {
                let rest = keys.waiting.remove(&key);
                let batch = keys.batch;
                keys.returned.insert(key, (event, batch));
                drop(keys);
                drop(rest);
                return;
            }
            next = keys.waiting.get_mut(&key).and_then(VecDeque::pop_front);
            if next.is_none() {
                keys.waiting.remove(&key);
            }
        }
    }

    /// Has every handler take the event, at the same time, and acknowledges when all have. `false` when it went back to the broker.
    async fn handle(&self, work: Work) -> bool {
        let Work { delivery, memory } = work;
        let Err(delay) = self.invoke_all(&delivery).await else {
            let event = delivery.event.id;
            if let Err(error) = delivery.ack().await {
                tracing::debug!(%event, %error, "acknowledgement lost; the event will arrive again and be skipped");
            }
            drop(memory);
            return true;
        };
        let delay = if self.0.stop.is_cancelled() { Duration::ZERO } else { delay };
        let event = delivery.event.id;
        if let Err(error) = delivery.nack(delay).await {
            tracing::debug!(%event, %error, "the event could not be given back; it will arrive again");
        }
        false
    }

    /// Has every handler take the event, or write down that it has not. After failures: how long the broker is to keep it.
    async fn invoke_all(&self, delivery: &Delivery) -> Result<(), Duration> {
        let event = Arc::clone(&delivery.event);
        let handlers = self.0.routes.handlers(&event.name);
        let invoked = join_all(handlers.iter().map(|handler| handler.invoke(&event, &Entry::Delivered)));
        let outcomes = match AssertUnwindSafe(invoked).catch_unwind().await {
            Ok(outcomes) => outcomes,
            Err(panic) => {
                tracing::error!(event = %event.id, panic = panic_message(&*panic), "a layer panicked; giving its event back");
                return Err(GIVE_BACK_PAUSE);
            }
        };
        let failed = outcomes.into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |error| {
            tracing::debug!(event = %event.id, %error, "the event goes back to the broker");
            Err(GIVE_BACK_PAUSE)
        })
    }
}
