use async_trait::async_trait;
use uuid::Uuid;

use super::StorageError;

/// The record of events that handlers have already taken. It is written in the transaction of the handler's effects, so both
/// are there or neither is.
#[async_trait]
pub trait Inbox: Send {
    /// Records that `handler` takes event `event_id`. `false` when it already has: skip the event and acknowledge it. When two
    /// transactions record the same at once, the second waits for the first and then answers `false`, or `true` if
    /// the first was rolled back.
    async fn record(&mut self, handler: &str, event_id: Uuid) -> Result<bool, StorageError>;
}
