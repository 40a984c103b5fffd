use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use activelog_application::ports::{BrokerHealth, DeliveryStream, EventSubscriber, Lag, SubscribeError, Subscription};
use async_trait::async_trait;
use tokio::time::Instant;

use super::{MemoryDeliveryStream, core::Core};
use crate::broker::subscription_check::{check, check_group};

/// Tells subscribers apart, whichever broker they belong to.
static SUBSCRIBERS: AtomicU64 = AtomicU64::new(0);

/// Takes events out of a [`MemoryBroker`](super::MemoryBroker).
#[derive(Debug)]
pub struct MemorySubscriber {
    core: Arc<Core>,
    id: u64,
    closed: AtomicBool,
}

impl MemorySubscriber {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, id: SUBSCRIBERS.fetch_add(1, Ordering::Relaxed), closed: AtomicBool::new(false) }
    }
}

#[async_trait]
impl EventSubscriber for MemorySubscriber {
    async fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError> {
        check(subscription)?;
        let joined = {
            let mut state = self.core.lock();
            // Under the lock: `close` ends every stream that was opened before it.
            if self.closed.load(Ordering::Relaxed) {
                return Err(SubscribeError::Closed);
            }
            state.join(subscription, self.id)
        };
        let group = &subscription.group;
        let Some(joined) = joined else {
            let reason = format!("group {group} has open streams with other patterns; members of a group share theirs");
            return Err(SubscribeError::Invalid(reason));
        };
        if joined.missed > 0 {
            tracing::warn!(
                group,
                missed = joined.missed,
                "events were dropped from the full history while the group had no stream"
            );
        }
        Ok(Box::new(MemoryDeliveryStream::new(Arc::clone(&self.core), joined, subscription.prefetch)))
    }

    fn health(&self) -> BrokerHealth {
        if self.closed.load(Ordering::Relaxed) { BrokerHealth::Closed } else { BrokerHealth::Up }
    }

    async fn lag(&self, group: &str) -> Result<Option<Lag>, SubscribeError> {
        Ok(Some(self.core.lock().lag(group, Instant::now())))
    }

    async fn remove_group(&self, group: &str) -> Result<(), SubscribeError> {
        check_group(group)?;
        let removed = {
            let mut state = self.core.lock();
            if self.closed.load(Ordering::Relaxed) {
                return Err(SubscribeError::Closed);
            }
            state.remove_group(group)
        };
        // Publishing may have waited for it.
        self.core.room.notify_waiters();
        if removed { Ok(()) } else { Err(SubscribeError::InUse(group.to_owned())) }
    }

    async fn close(&self) -> Result<(), SubscribeError> {
        let streams = {
            let state = self.core.lock();
            self.closed.store(true, Ordering::Relaxed);
            state.streams_of(self.id)
        };
        for stream in streams {
            self.core.end_stream(stream);
        }
        Ok(())
    }
}
