use async_trait::async_trait;
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

use super::{MemoryRepositories, state::State};
use crate::{
    ports::{
        JournalSpan, Lease, Partition, PrunedUpTo, Retention, SCHEDULED_PAGE_MAX, ScheduledEvent, ScheduledEvents,
        ScheduledFilter, StorageError, StorageErrorKind,
    },
    testing::memory_storage::MemoryStorage,
};

/// How long a change waits for the unit of work that is open.
const PATIENCE: Duration = Duration::from_secs(30);

fn bounded(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl MemoryRepositories {
    /// Changes what is stored in a transaction of its own.
    async fn change<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&mut State) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let shared = self.shared();
        let turn = tokio::time::timeout(PATIENCE, shared.writer.lock()).await;
        let _turn = turn.map_err(|elapsed| StorageError::new(StorageErrorKind::Unavailable, operation, elapsed))?;
        shared.check(operation)?;
        let mut state = shared.committed();
        let done = work(Arc::make_mut(&mut state))?;
        shared.replace(state);
        Ok(done)
    }

    /// Outbox and journal.
    fn toolkit(&self, operation: &'static str) -> Result<&MemoryStorage, StorageError> {
        let missing = || StorageError::new(StorageErrorKind::Other, operation, "nothing relays these repositories");
        self.shared().relayed.as_ref().ok_or_else(missing)
    }
}

#[async_trait]
impl Retention for MemoryRepositories {
    async fn prune_inbox(
        &self,
        after: Option<Timestamp>,
        before: Timestamp,
        limit: u32,
    ) -> Result<PrunedUpTo, StorageError> {
        const OPERATION: &str = "prune inbox";
        let toolkit = self.toolkit(OPERATION)?;
        self.change(OPERATION, |state| Ok(state.failures.prune_inbox(after, before, limit, &toolkit.coming()?))).await
    }

    async fn journal_spans(&self) -> Result<Vec<JournalSpan>, StorageError> {
        self.toolkit("journal spans")?.journal_spans()
    }

    async fn prune_journal(&self, partition: Partition, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "prune journal";
        let toolkit = self.toolkit(OPERATION)?;
        self.change(OPERATION, |state| match state.failures.is_replaying() {
            true => Ok(0),
            false => toolkit.prune_journal(partition, before, limit),
        })
        .await
    }

    async fn prune_idempotency_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.change("prune idempotency keys", |state| {
            let old = state.idempotency.iter().filter(|(_, claimed)| claimed.claimed_at < before);
            let old: Vec<_> = old.map(|(key, _)| key.clone()).take(bounded(limit)).collect();
            Ok(old.iter().filter(|key| state.idempotency.remove(*key).is_some()).count() as u64)
        })
        .await
    }

    async fn prune_crash_marks(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.change("prune crash marks", |state| Ok(state.failures.prune_marks(before, limit))).await
    }

    async fn prune_worker_runs(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.change("prune worker runs", |state| Ok(state.failures.prune_runs(before, limit))).await
    }
}

/// What is scheduled, in the order of places.
fn in_order(state: &State) -> Vec<&ScheduledEvent> {
    let mut scheduled: Vec<&ScheduledEvent> = state.scheduled.values().collect();
    scheduled.sort_by_key(|scheduled| scheduled.place());
    scheduled
}

#[async_trait]
impl ScheduledEvents for MemoryRepositories {
    async fn release(&self, lease: &Lease, now: Timestamp, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "release scheduled events";
        let toolkit = self.toolkit(OPERATION)?;
        self.change(OPERATION, |state| {
            let due: Vec<ScheduledEvent> = in_order(state).into_iter().filter(|s| s.due <= now).cloned().collect();
            let free = toolkit.releasable(lease, &due.iter().map(|scheduled| &scheduled.event).collect::<Vec<_>>())?;
            let going = due.into_iter().zip(free).filter(|(_, free)| *free).take(bounded(limit));
            let mut released = 0;
            for (scheduled, _) in going {
                state.scheduled.remove(&scheduled.row);
                state.event_ids.insert(scheduled.event.id);
                state.sequences.insert((scheduled.event.subject.clone(), scheduled.event.sequence));
                state.outbox.push(scheduled.event);
                released += 1;
            }
            Ok(released)
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StorageError> {
        self.shared().check("look for scheduled events")?;
        Ok(self.committed().scheduled.values().map(|scheduled| scheduled.due).min())
    }

    async fn list(
        &self,
        filter: &ScheduledFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<ScheduledEvent>, StorageError> {
        self.shared().check("list scheduled events")?;
        let state = self.committed();
        let wanted = |scheduled: &&&ScheduledEvent| {
            after.is_none_or(|after| scheduled.place() > after)
                && filter.name.as_ref().is_none_or(|name| *name == scheduled.event.name)
                && filter.subject.as_ref().is_none_or(|subject| *subject == scheduled.event.subject)
        };
        let limit = bounded(limit.min(SCHEDULED_PAGE_MAX));
        Ok(in_order(&state).iter().filter(wanted).take(limit).map(|scheduled| (*scheduled).clone()).collect())
    }

    async fn cancel(&self, event_id: Uuid) -> Result<bool, StorageError> {
        self.change("cancel scheduled event", |state| {
            let before = state.scheduled.len();
            state.scheduled.retain(|_, scheduled| scheduled.event.id != event_id);
            Ok(state.scheduled.len() < before)
        })
        .await
    }
}
