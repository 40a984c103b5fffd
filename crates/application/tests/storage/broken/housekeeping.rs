//! The defects of retention and of the schedule, one type each.

use std::sync::Arc;

use activelog_application::ports::{
    JournalSpan, Lease, Partition, PrunedUpTo, Retention, ScheduledEvent, ScheduledEvents, ScheduledFilter,
    StorageError,
};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

/// Removes whatever can be removed, however young.
pub(crate) struct IgnoresAge(pub(crate) Arc<dyn Retention>);

#[async_trait]
impl Retention for IgnoresAge {
    async fn prune_inbox(
        &self,
        after: Option<Timestamp>,
        _: Timestamp,
        limit: u32,
    ) -> Result<PrunedUpTo, StorageError> {
        self.0.prune_inbox(after, Timestamp::MAX, limit).await
    }

    async fn journal_spans(&self) -> Result<Vec<JournalSpan>, StorageError> {
        self.0.journal_spans().await
    }

    async fn prune_journal(&self, partition: Partition, _: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.0.prune_journal(partition, Timestamp::MAX, limit).await
    }

    async fn prune_idempotency_keys(&self, _: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.0.prune_idempotency_keys(Timestamp::MAX, limit).await
    }

    async fn prune_crash_marks(&self, _: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.0.prune_crash_marks(Timestamp::MAX, limit).await
    }

    async fn prune_worker_runs(&self, _: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.0.prune_worker_runs(Timestamp::MAX, limit).await
    }
}

/// What is wrong with a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScheduleDefect {
    /// Publishes ahead of time.
    Hasty,
    /// Says of every event that it was cancelled.
    CancelsAnything,
    /// Lists in the order of scheduling.
    ListsByRow,
}

/// A schedule with a defect.
pub(crate) struct BrokenSchedule(pub(crate) Arc<dyn ScheduledEvents>, pub(crate) ScheduleDefect);

#[async_trait]
impl ScheduledEvents for BrokenSchedule {
    async fn release(&self, lease: &Lease, now: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let now = if self.1 == ScheduleDefect::Hasty { Timestamp::MAX } else { now };
        self.0.release(lease, now, limit).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StorageError> {
        self.0.next_due().await
    }

    async fn list(
        &self,
        filter: &ScheduledFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<ScheduledEvent>, StorageError> {
        let mut page = self.0.list(filter, after, limit).await?;
        if self.1 == ScheduleDefect::ListsByRow {
            page.sort_by_key(|scheduled| scheduled.row);
        }
        Ok(page)
    }

    async fn cancel(&self, event_id: Uuid) -> Result<bool, StorageError> {
        let cancelled = self.0.cancel(event_id).await?;
        Ok(cancelled || self.1 == ScheduleDefect::CancelsAnything)
    }
}
