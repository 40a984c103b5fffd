use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use activelog_application::ports::{
    BrokerHealth, EventPublisher, Journal, PublishError, PublishErrorKind, StorageError, StorageErrorKind,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio_util::task::TaskTracker;

/// The most events appended in one transaction, and the most bytes after which no more are added.
const CHUNK_EVENTS: usize = 500;
const CHUNK_BYTES: usize = 4 << 20;

/// Puts events into the journal.
pub struct DatabasePublisher {
    journal: Arc<dyn Journal>,
    max_payload: usize,
    /// Calls under way; closed with the publisher.
    calls: TaskTracker,
    failing: Mutex<Option<String>>,
}

impl DatabasePublisher {
    pub(super) fn new(journal: Arc<dyn Journal>, max_payload: usize) -> Self {
        Self { journal, max_payload, calls: TaskTracker::new(), failing: Mutex::new(None) }
    }

    async fn append(&self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        let outcome = self.journal.append(events).await;
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        *failing = match &outcome {
            Err(error) if error.is_transient() => Some(error.to_string()),
            _ => None,
        };
        outcome
    }

    /// Appends events with one outcome each: together, and one by one if that fails for good, as one event may spoil it for all.
    async fn append_chunk(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        match self.append(events).await {
            Ok(()) => events.iter().map(|_| Ok(())).collect(),
            Err(error) if error.is_transient() || events.len() == 1 => {
                let (kind, retry_after) = (kind_of(&error), error.retry_after());
                let source = Arc::new(error);
                let failure = |_| Err(PublishError { kind, retry_after, source: Box::new(Arc::clone(&source)) });
                events.iter().map(failure).collect()
            }
            Err(_) => {
                let mut outcomes = Vec::with_capacity(events.len());
                let mut failed = HashSet::new();
                for event in events {
                    let outcome = match failed.contains(&event.partition_key) {
                        true => Err(skipped()),
                        false => self.append(std::slice::from_ref(event)).await.map_err(publish_error),
                    };
                    if outcome.is_err() {
                        failed.insert(&event.partition_key);
                    }
                    outcomes.push(outcome);
                }
                outcomes
            }
        }
    }

    fn check_size(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        let (size, most) = (event.data.len(), self.max_payload);
        if size <= most {
            return Ok(());
        }
        let reason = format!("{size} bytes of data, at most {most} are accepted");
        Err(PublishError::new(PublishErrorKind::TooLarge, reason))
    }
}

fn kind_of(error: &StorageError) -> PublishErrorKind {
    match error.kind {
        StorageErrorKind::Contention | StorageErrorKind::Unavailable | StorageErrorKind::Full => {
            PublishErrorKind::Unavailable
        }
        StorageErrorKind::Constraint => PublishErrorKind::Rejected,
        // The journal skips an id it has: trying again is harmless.
        _ => PublishErrorKind::Unknown,
    }
}

fn publish_error(error: StorageError) -> PublishError {
    PublishError { kind: kind_of(&error), retry_after: error.retry_after(), source: Box::new(error) }
}

fn skipped() -> PublishError {
    PublishError::new(PublishErrorKind::Skipped, "an earlier event of its key in the batch failed")
}

fn closed() -> PublishError {
    PublishError::new(PublishErrorKind::Closed, "the publisher is closed")
}

#[async_trait]
impl EventPublisher for DatabasePublisher {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        // Counted before looking: `close` waits for whoever has still seen it open.
        let _call = self.calls.token();
        if self.calls.is_closed() {
            return Err(closed());
        }
        self.check_size(event)?;
        self.append(std::slice::from_ref(event)).await.map_err(publish_error)
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        let _call = self.calls.token();
        if self.calls.is_closed() {
            return events.iter().map(|_| Err(closed())).collect();
        }
        let mut outcomes: Vec<Result<(), PublishError>> = Vec::with_capacity(events.len());
        let mut failed: HashSet<&str> = HashSet::new();
        let mut rest = events;
        while let Some(event) = rest.first() {
            let refused = match failed.contains(event.partition_key.as_str()) {
                true => Err(skipped()),
                false => self.check_size(event),
            };
            if refused.is_err() {
                failed.insert(&event.partition_key);
                outcomes.push(refused);
                rest = &rest[1..];
                continue;
            }
            let mut bytes = 0;
            let fits = |event: &&EventEnvelope| {
                bytes += event.size();
                !failed.contains(event.partition_key.as_str())
                    && self.check_size(event).is_ok()
                    && (bytes <= CHUNK_BYTES || bytes == event.size())
            };
            let (chunk, later) = rest.split_at(rest.iter().take(CHUNK_EVENTS).take_while(fits).count());
            rest = later;
            let appended = self.append_chunk(chunk).await;
            failed
                .extend(chunk.iter().zip(&appended).filter(|(_, o)| o.is_err()).map(|(e, _)| e.partition_key.as_str()));
            outcomes.extend(appended);
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        if self.calls.is_closed() {
            return BrokerHealth::Closed;
        }
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.clone().map_or(BrokerHealth::Up, BrokerHealth::Degraded)
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.calls.close();
        self.calls.wait().await;
        Ok(())
    }
}
