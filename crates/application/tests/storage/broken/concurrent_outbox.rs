//! An outbox that several transactions write to at the same time, with rows numbered when they are written, as databases do it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use activelog_application::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, Repositories, UserRepository,
    },
    ports::{
        CommitError, IdempotencyStore, Inbox, Journal, Lease, Outbox, OutboxDepth, OutboxEntry, OutboxStore, Parking,
        Partition, StorageError, TransactionOptions, UnitOfWork, UnitOfWorkFactory, partition_of,
    },
    testing::{MemoryRepositories, memory_storage::MemoryStorage, storage::Storage},
    webhook::ports::WebhookRepository,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

/// The storage in memory with such an outbox. With `by_cursor`, the relay's side only shows rows after the last one it has shown, and
/// skips for ever what commits later with an earlier row.
pub(crate) fn concurrent_outbox(storage: Storage, journal: MemoryStorage, by_cursor: bool) -> Storage {
    let outbox = ConcurrentOutbox(Arc::new(State {
        rows: Mutex::default(),
        last: AtomicI64::new(0),
        shown: Mutex::default(),
        by_cursor,
        journal,
    }));
    Storage { factory: Arc::new(outbox.clone()), outbox: Arc::new(outbox), ..storage }
}

#[derive(Clone)]
struct ConcurrentOutbox(Arc<State>);

struct State {
    rows: Mutex<BTreeMap<i64, EventEnvelope>>,
    last: AtomicI64,
    shown: Mutex<HashMap<Partition, i64>>,
    by_cursor: bool,
    journal: MemoryStorage,
}

impl State {
    fn take(&self, wanted: impl Fn(i64, &EventEnvelope) -> bool, limit: usize) -> Vec<EventEnvelope> {
        let mut rows = self.rows.lock().expect("not poisoned");
        let ids: Vec<i64> = rows.iter().filter(|(id, e)| wanted(**id, e)).map(|(id, _)| *id).take(limit).collect();
        ids.iter().filter_map(|id| rows.remove(id)).collect()
    }

    /// What a relay may see.
    fn visible(&self, partition: Partition, id: i64) -> bool {
        let shown = self.shown.lock().expect("not poisoned");
        !self.by_cursor || shown.get(&partition).is_none_or(|last| id > *last)
    }
}

#[async_trait]
impl UnitOfWorkFactory<dyn Repositories> for ConcurrentOutbox {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Repositories>, StorageError> {
        // Repositories of its own, which nobody else waits for.
        let others = UnitOfWorkFactory::<dyn Repositories>::begin(&MemoryRepositories::new(), options).await?;
        Ok(Box::new(Unit { others, outbox: self.clone(), written: Vec::new() }))
    }
}

struct Unit {
    others: Box<dyn Repositories>,
    outbox: ConcurrentOutbox,
    written: Vec<(i64, EventEnvelope)>,
}

struct Writing<'a>(&'a mut Unit);

#[async_trait]
impl Outbox for Writing<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        for event in events {
            let id = self.0.outbox.0.last.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.written.push((id, event.clone()));
        }
        Ok(())
    }

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        self.0.others.outbox().schedule(event, due).await
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        self.0.others.outbox().cancel(event_id).await
    }
}

#[async_trait]
impl UnitOfWork for Unit {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        Box::new(Writing(self))
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        self.others.inbox()
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        self.others.parking()
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        self.others.idempotency()
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        self.outbox.0.rows.lock().expect("not poisoned").extend(self.written);
        self.others.commit().await
    }

    async fn rollback(self: Box<Self>) {
        self.others.rollback().await;
    }
}

impl Repositories for Unit {
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        self.others.activities()
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        self.others.users()
    }

    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_> {
        self.others.notifications()
    }

    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_> {
        self.others.period_statistics()
    }

    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_> {
        self.others.achievements()
    }

    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_> {
        self.others.leaderboards()
    }

    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_> {
        self.others.webhooks()
    }
}

#[async_trait]
impl OutboxStore for ConcurrentOutbox {
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError> {
        let found: Vec<OutboxEntry> = {
            let rows = self.0.rows.lock().expect("not poisoned");
            let later =
                rows.iter().filter(|(id, event)| **id > after && partition_of(&event.partition_key) == partition);
            let seen = later.filter(|(id, _)| self.0.visible(partition, **id));
            seen.take(limit as usize).map(|(id, event)| OutboxEntry { id: *id, event: event.clone() }).collect()
        };
        if let Some(last) = found.last() {
            self.0.shown.lock().expect("not poisoned").insert(partition, last.id);
        }
        Ok(found)
    }

    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError> {
        let here = |event: &EventEnvelope| partition_of(&event.partition_key) == lease.partition;
        let moved = self.0.take(|id, event| rows.contains(&id) && here(event), usize::MAX);
        self.0.journal.append(&moved).await?;
        Ok(moved.len() as u64)
    }

    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError> {
        let held = |event: &EventEnvelope| {
            let partition = partition_of(&event.partition_key);
            leases.iter().any(|lease| lease.partition == partition).then_some(partition)
        };
        let wanted = |id, event: &EventEnvelope| held(event).is_some_and(|partition| self.0.visible(partition, id));
        let moved = self.0.take(wanted, limit as usize);
        self.0.journal.append(&moved).await?;
        Ok(moved.len() as u64)
    }

    async fn waiting(&self) -> Result<Vec<Partition>, StorageError> {
        let rows = self.0.rows.lock().expect("not poisoned");
        let mut partitions: Vec<Partition> = rows.values().map(|e| partition_of(&e.partition_key)).collect();
        partitions.sort_unstable();
        partitions.dedup();
        Ok(partitions)
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        Ok(OutboxDepth { events: self.0.rows.lock().expect("not poisoned").len() as u64, oldest: None })
    }

    async fn depth_within(&self, bound: u32, _: u32) -> Result<OutboxDepth, StorageError> {
        let depth = self.depth().await?;
        Ok(OutboxDepth { events: depth.events.min(bound.into()), ..depth })
    }
}
