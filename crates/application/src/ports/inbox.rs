use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use uuid::Uuid;

use super::StorageError;

/// What the inbox knows of an event that a handler is about to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intake {
    /// Nothing: it is recorded now, and the handler takes it.
    New,
    /// The handler has taken it, or it is parked or a dead letter: skip it and acknowledge it.
    AlreadyTaken,
    /// The handler has not taken it, and must not yet: an earlier event of its partition key is parked, or the handler's events are being
    /// replayed. Nothing was recorded. Park it behind.
    Behind,
}

/// The record of events that handlers have already taken. It is written in the transaction of the handler's effects, so both
/// are there or neither is.
#[async_trait]
pub trait Inbox: Send {
    /// Records that `handler` takes event `event_id` of partition key `key`. When two transactions record the same at once, the second
    /// waits for the first and then answers `AlreadyTaken`, or `New` if the first was rolled back.
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError>;

    /// Like [`record`](Self::record), for the replay of `handler` itself. `Behind` only when an event of the same subject with a lower sequence is
    /// parked for the handler, or is a dead letter that holds its lane: what was parked because of the replay comes later than what is replayed.
    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError>;

    /// Makes up to `limit` events of `handler` unknown, while its replay is [`Clearing`](super::ReplayProgress::Clearing); not those that are parked, nor
    /// dead letters that were not replayed. Answers how many; 0 when none is left. Fails with
    /// [`StorageErrorKind::Fenced`](super::StorageErrorKind::Fenced) when the replay is not clearing: somebody else has taken it further, and what has been
    /// made since must stay. Until the transaction has ended, the replay goes on clearing.
    async fn forget(&mut self, handler: &str, limit: u32) -> Result<u64, StorageError>;
}
