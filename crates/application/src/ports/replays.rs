use async_trait::async_trait;
use jiff::Timestamp;

use super::{JournalCursor, StorageError};

/// A replay of the journal for one handler that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The handler's name.
    pub handler: String,
    /// When it began.
    pub began_at: Timestamp,
    /// Only events published at this time or later; from the beginning without it.
    pub from: Option<Timestamp>,
    /// Only events published before this time; to the end without it.
    pub to: Option<Timestamp>,
    /// How far it has come.
    pub progress: ReplayProgress,
}

/// How far a replay has come. It resumes from here after it was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayProgress {
    /// What the handler has made of the past is being removed.
    Clearing,
    /// The journal was read up to here.
    Reading(JournalCursor),
}

/// Replays of the journal. While one has begun and not ended, [`Inbox::record`](super::Inbox::record) answers
/// [`Intake::Behind`](super::Intake::Behind) for every event of its handler that was not taken, and no lane of it is claimed: what arrives
/// meanwhile is parked, and taken afterwards.
#[async_trait]
pub trait Replays: Send + Sync + 'static {
    /// Begins a replay, or answers the one of this handler that has begun already, whatever its range. When it returns, every transaction in which the
    /// handler took an event before has ended; one that takes longer than a minute is `Unavailable`, and calling again goes on waiting.
    async fn begin(
        &self,
        handler: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Replay, StorageError>;

    /// Notes how far it has come. Waits for transactions that are [`forgetting`](super::Inbox::forget).
    async fn advance(&self, handler: &str, progress: &ReplayProgress) -> Result<(), StorageError>;

    /// Ends it: the lanes of its handler can be claimed, at once.
    async fn end(&self, handler: &str) -> Result<(), StorageError>;

    /// Those that have begun and not ended.
    async fn list(&self) -> Result<Vec<Replay>, StorageError>;
}
