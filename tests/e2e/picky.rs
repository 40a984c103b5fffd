//! A handler and a publisher that refuse what a test tells them to.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use activelog_application::{
    activity::{handlers::ActivityChange, ports::Repositories},
    delivery::{EventHandler, HandlerError, Received},
    orchestrator::Step,
    ports::{BrokerHealth, EventPublisher, PublishError, PublishErrorKind},
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

/// What events say that are refused.
pub(crate) const POISON: &str = "poison";

/// Refuses what is poison until it is healed, and remembers the rest.
#[derive(Clone, Default)]
pub(crate) struct Picky {
    healed: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Picky {
    /// From now on takes everything.
    pub(crate) fn heal(&self) {
        self.healed.store(true, Ordering::Relaxed);
    }

    /// What it has taken of an activity, in order.
    pub(crate) fn taken_of(&self, id: &str) -> Vec<u64> {
        let subject = format!("activity-{id}");
        self.taken().iter().filter(|(taken, _)| *taken == subject).map(|(_, sequence)| *sequence).collect()
    }

    fn taken(&self) -> MutexGuard<'_, Vec<(String, u64)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuses(&self, event: &EventEnvelope) -> bool {
        // The creation alone: what comes later is held by it, not refused itself.
        let poisonous = event.sequence == 1 && String::from_utf8_lossy(&event.data).contains(POISON);
        poisonous && !self.healed.load(Ordering::Relaxed)
    }

    fn take(&self, event: &EventEnvelope) {
        self.taken().push((event.subject.clone(), event.sequence));
    }
}

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    async fn handle(&self, event: &Received<'_, E>, _: &mut Step<'_, dyn Repositories>) -> Result<(), HandlerError> {
        if self.refuses(event.envelope) {
            return Err(HandlerError::retry("poison"));
        }
        self.take(event.envelope);
        Ok(())
    }
}

/// A publisher that passes on what [`Picky`] does not refuse.
pub(crate) struct PickyPublisher {
    pub(crate) picky: Picky,
    pub(crate) inner: Arc<dyn EventPublisher>,
}

#[async_trait]
impl EventPublisher for PickyPublisher {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        if self.picky.refuses(event) {
            return Err(PublishError::new(PublishErrorKind::Rejected, "poison"));
        }
        self.inner.publish(event).await
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        let mut failed: Vec<&str> = Vec::new();
        let mut outcomes = Vec::new();
        for event in events {
            if failed.contains(&event.partition_key.as_str()) {
                outcomes.push(Err(PublishError::new(PublishErrorKind::Skipped, "an earlier event failed")));
                continue;
            }
            let outcome = self.publish(event).await;
            if outcome.is_err() {
                failed.push(&event.partition_key);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        self.inner.health()
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.inner.close().await
    }
}
