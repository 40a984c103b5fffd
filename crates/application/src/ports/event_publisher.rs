use std::{error::Error, time::Duration};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

use super::BrokerHealth;

/// Puts events into a broker.
///
/// - **`Ok` means taken**: the broker has the event at the durability its capabilities declare.
/// - **Order**: events with the same partition key keep the order of the calls that have returned before the next began, and within
///   one batch the order of the slice. A caller that retries must not have a later event of the same key under way.
/// - **Twice**: the same event id may be published again after an error. Brokers may deliver it twice; consumers keep an inbox.
/// - **Concurrency**: any number of calls at once from any task.
/// - **Cancellation**: a dropped call leaves its outcome unknown, as [`PublishErrorKind::Unknown`].
/// - **Closing**: `close` waits for calls under way, flushes, and may be called again. Calls after it fail with
///   [`PublishErrorKind::Closed`].
#[async_trait]
pub trait EventPublisher: Send + Sync + 'static {
    /// Publishes one event.
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError>;

    /// Publishes several, pipelined: one outcome for each, in their order. One failure does not stop the others, save
    /// that after a failed event no later event *of the same key* in the batch is published.
    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>>;

    /// How the connection is doing. Answers at once, from what is known.
    fn health(&self) -> BrokerHealth;

    /// Flushes and closes. Idempotent.
    async fn close(&self) -> Result<(), PublishError>;
}

/// What a failed publish means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishErrorKind {
    /// The broker refuses this event: trying again will not help.
    Rejected,
    /// The broker cannot be reached: the event was not sent.
    Unavailable,
    /// The answer was lost: the event may be stored. Publish again under the same id.
    Unknown,
    /// The event is larger than the broker takes.
    TooLarge,
    /// The publisher has been closed.
    Closed,
    /// An earlier event of the same key in the batch failed, so this one was not sent.
    Skipped,
}

/// A publish failed.
#[derive(Debug, thiserror::Error)]
#[error("publish ({kind:?}): {source}")]
pub struct PublishError {
    /// What it means.
    pub kind: PublishErrorKind,
    /// What the driver said.
    pub source: Box<dyn Error + Send + Sync>,
    /// How long to wait before trying again, where the broker has an opinion.
    pub retry_after: Option<Duration>,
}

impl PublishError {
    /// An error of `kind`.
    pub fn new(kind: PublishErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into(), retry_after: None }
    }

    /// Whether publishing the same event again may succeed.
    pub fn is_transient(&self) -> bool {
        !matches!(self.kind, PublishErrorKind::Rejected | PublishErrorKind::TooLarge | PublishErrorKind::Closed)
    }
}
