use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::StorageError;

/// Tells which events end the process, as nothing in the process can.
///
/// A mark is made, durably, before a handler gets an event that may be one of them, and erased when the handler has answered, whatever it
/// answered. A mark that is found there was left by a process that ended in between.
#[async_trait]
pub trait CrashMarks: Send + Sync + 'static {
    /// How many marks of `handler` and the event there are.
    async fn left(&self, handler: &str, event_id: Uuid) -> Result<u32, StorageError>;

    /// Marks that `handler` gets the event now.
    async fn mark(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError>;

    /// Erases every mark of `handler` and the event.
    async fn erase(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError>;

    /// Says that a worker of the group is running, at its start and again and again.
    async fn running(&self, group: &str, run: Uuid) -> Result<(), StorageError>;

    /// The runs of a group, also those that go on, that have not ended as far as anyone knows, and when each last said that it is running.
    async fn runs(&self, group: &str) -> Result<Vec<(Uuid, Timestamp)>, StorageError>;

    /// These runs have ended, or what they left behind has been seen to.
    async fn ended(&self, group: &str, runs: &[Uuid]) -> Result<(), StorageError>;
}
