use async_trait::async_trait;
use jiff::Timestamp;

use super::{Partition, StorageError};

/// How far a walk through a table, in the order of age, has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrunedUpTo {
    /// How many rows were removed.
    pub removed: u64,
    /// Everything up to this age was looked at; `None` when there is no more to look at.
    pub reached: Option<Timestamp>,
}

/// The part of a journal's partition that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSpan {
    /// The partition.
    pub partition: Partition,
    /// The position of its oldest entry.
    pub first: u64,
    /// The position of its newest entry.
    pub last: u64,
    /// When the oldest was published.
    pub oldest: Timestamp,
}

/// Removes what nobody needs any more, and keeps what somebody does, whatever it is asked to remove.
///
/// Each call is one short transaction of at most about `limit` rows. Calls at the same time, also of other processes, do no harm.
#[async_trait]
pub trait Retention: Send + Sync + 'static {
    /// Removes records of events that were taken after `after` (from the oldest on without it) and before `before`. Kept, whatever their age:
    /// records of events that can still come to their handler, which are those in the outbox, those in the journal beyond what every known group has
    /// acknowledged, those that are parked, and dead letters that can be replayed.
    ///
    /// Looks at `limit` records, and all that are exactly as old as the last of them. Call it again with what it has reached.
    async fn prune_inbox(
        &self,
        after: Option<Timestamp>,
        before: Timestamp,
        limit: u32,
    ) -> Result<PrunedUpTo, StorageError>;

    /// What the journal holds: its partitions with entries, in order.
    async fn journal_spans(&self) -> Result<Vec<JournalSpan>, StorageError>;

    /// Removes, of the oldest `limit` entries of a partition, those up to the last that was published before `before`. Kept, whatever their
    /// age: entries that a known group has not acknowledged, everything while a replay has begun and not ended, and the newest entry. What is
    /// left has no gaps, and positions go on where they were.
    async fn prune_journal(&self, partition: Partition, before: Timestamp, limit: u32) -> Result<u64, StorageError>;

    /// Removes up to `limit` idempotency keys that were claimed before `before`, with their answers.
    async fn prune_idempotency_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError>;

    /// Removes up to `limit` crash marks that were made before `before`.
    async fn prune_crash_marks(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError>;

    /// Removes up to `limit` runs of workers that were not heard of since `before`.
    async fn prune_worker_runs(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError>;
}
