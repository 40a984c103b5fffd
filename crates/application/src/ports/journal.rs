use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use super::{Lease, StorageError};

/// How many partitions outbox and journal have. Part of the stored format: changing it would break order per key.
pub const PARTITIONS: u16 = 16;

/// The most entries one read returns.
pub const JOURNAL_PAGE_MAX: u32 = 1_000;

/// A partition of outbox and journal, `0..PARTITIONS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u16);

/// The partition of a key. XXH3 is stable across versions and machines, which the stored format needs.
pub fn partition_of(key: &str) -> Partition {
    // The remainder is below PARTITIONS and fits.
    Partition(u16::try_from(xxh3_64(key.as_bytes()) % u64::from(PARTITIONS)).unwrap_or(0))
}

/// A published event in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Its partition.
    pub partition: Partition,
    /// Its position there: from 1, without gaps.
    pub position: u64,
    /// When it was published.
    pub published_at: Timestamp,
    /// The event.
    pub event: EventEnvelope,
}

/// How far a reader of all partitions has come: per partition, the last position seen (0 for none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalCursor(pub [u64; PARTITIONS as usize]);

impl Default for JournalCursor {
    fn default() -> Self {
        Self([0; PARTITIONS as usize])
    }
}

/// The ordered log of published events. Positions within a partition are given in commit order and without gaps, so
/// that a reader at position *n* has seen everything up to *n*.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Up to `limit` entries (at most [`JOURNAL_PAGE_MAX`]) of a partition after `position`, ascending.
    async fn read(&self, partition: Partition, position: u64, limit: u32) -> Result<Vec<JournalEntry>, StorageError>;

    /// Up to `limit` entries of all partitions after `cursor`, merged by publication time (then partition, then position), and
    /// ascending within each partition.
    async fn read_all(&self, cursor: &JournalCursor, limit: u32) -> Result<Vec<JournalEntry>, StorageError>;

    /// The last position of every partition.
    async fn heads(&self) -> Result<JournalCursor, StorageError>;

    /// Appends events at the next positions of their partitions, in this order, without an outbox. An event whose id is already in the
    /// journal is skipped: publishing twice has the effect of once. One transaction. Rings the journal's signal.
    async fn append(&self, events: &[EventEnvelope]) -> Result<(), StorageError>;
}

/// How far the consumer groups of the `database` broker have come.
#[async_trait]
pub trait GroupPositions: Send + Sync + 'static {
    /// Makes the group known, starting at `start` if it is new. Answers where it stands.
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError>;

    /// Where the group stands: every position up to these has been acknowledged. Zeros for a group nobody knows.
    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError>;

    /// Moves the group forward on the partitions of these leases (scope `group:<group>`). Never moves it back. All or nothing:
    /// one lost lease refuses the whole with [`StorageErrorKind::Fenced`](super::StorageErrorKind::Fenced).
    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError>;

    /// Whether the group has joined, and has not been removed since.
    async fn is_known(&self, group: &str) -> Result<bool, StorageError>;

    /// Forgets the group: where it stands, and the members and leases of its scope. `false`, with nothing done, while members of it live. A
    /// group that nobody knows is forgotten already.
    async fn remove(&self, group: &str) -> Result<bool, StorageError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_of_a_key_never_changes() {
        // Stored data depends on these.
        assert_eq!(partition_of("activity-01929d5e-0000-7000-8000-000000000001"), Partition(0));
        assert_eq!(partition_of(""), Partition(2));
    }
}
