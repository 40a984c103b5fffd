use std::{
    collections::HashSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use activelog_application::ports::{BrokerHealth, EventPublisher, PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

use super::core::{Core, Stored};

/// Puts events into a [`MemoryBroker`](super::MemoryBroker). A call that waits for room and is dropped has stored nothing.
#[derive(Debug)]
pub struct MemoryPublisher {
    core: Arc<Core>,
    closed: AtomicBool,
}

impl MemoryPublisher {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, closed: AtomicBool::new(false) }
    }
}

#[async_trait]
impl EventPublisher for MemoryPublisher {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        let (size, most) = (event.data.len(), self.core.options.max_payload);
        if size > most {
            let reason = format!("{size} bytes of data, at most {most} are accepted");
            return Err(PublishError::new(PublishErrorKind::TooLarge, reason));
        }
        let event = Arc::new(event.clone());
        loop {
            let mut room = pin!(self.core.room.notified());
            // Before the attempt, so that room made just after it is not missed.
            room.as_mut().enable();
            match self.core.store(&event, &self.closed) {
                Stored::Yes => return Ok(()),
                Stored::Closed => return Err(PublishError::new(PublishErrorKind::Closed, "the publisher is closed")),
                Stored::Full => room.await,
            }
        }
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        let mut failed: HashSet<&str> = HashSet::new();
        let mut outcomes = Vec::with_capacity(events.len());
        for event in events {
            if failed.contains(event.partition_key.as_str()) {
                let reason = "an earlier event of its key in the batch failed";
                outcomes.push(Err(PublishError::new(PublishErrorKind::Skipped, reason)));
                continue;
            }
            let outcome = self.publish(event).await;
            // A closed publisher says so for every event.
            if outcome.as_ref().is_err_and(|e| e.kind != PublishErrorKind::Closed) {
                failed.insert(&event.partition_key);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        if self.closed.load(Ordering::Relaxed) { BrokerHealth::Closed } else { BrokerHealth::Up }
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.core.close_publisher(&self.closed);
        Ok(())
    }
}
