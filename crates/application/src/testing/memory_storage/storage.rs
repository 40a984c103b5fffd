use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use activelog_domain::event::EventEnvelope;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ports::{JournalEntry, Lease, Partition, Signal, StorageError, StorageErrorKind, partition_of};

/// Storage in memory. Clones share it, as connections to one database do.
///
/// Leases run by `tokio::time`, so that a test that pauses time decides when they end. Publication times are one microsecond
/// apart from event to event.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    state: Arc<Mutex<State>>,
    signal: Signal,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// By partition; an entry's index is its position less one and less how many were pruned.
    pub(super) journal: HashMap<Partition, Vec<JournalEntry>>,
    pub(super) pruned: HashMap<Partition, u64>,
    pub(super) journal_ids: HashSet<Uuid>,
    pub(super) outbox: BTreeMap<i64, OutboxRow>,
    pub(super) groups: HashMap<String, crate::ports::JournalCursor>,
    pub(super) members: HashMap<(String, String), Instant>,
    pub(super) leases: BTreeMap<(String, Partition), LeaseRow>,
    last_row: i64,
    ticks: i64,
    outage: bool,
    silent: HashSet<String>,
    pub(super) entries_read: u64,
    calls: HashMap<&'static str, u64>,
}

#[derive(Debug)]
pub(super) struct OutboxRow {
    pub(super) partition: Partition,
    pub(super) event: EventEnvelope,
    pub(super) recorded_at: Timestamp,
}

#[derive(Debug)]
pub(super) struct LeaseRow {
    /// `None` when it was given back.
    pub(super) owner: Option<String>,
    pub(super) epoch: i64,
    pub(super) expires: Instant,
}

impl MemoryStorage {
    /// Empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rings when the journal has grown.
    pub fn signal(&self) -> Signal {
        self.signal.clone()
    }

    /// Records events in the outbox, as a transaction that has committed.
    pub fn record(&self, events: &[EventEnvelope]) {
        let mut state = self.lock();
        for event in events {
            let recorded_at = state.tick();
            state.last_row += 1;
            let row = OutboxRow { partition: partition_of(&event.partition_key), event: event.clone(), recorded_at };
            let id = state.last_row;
            state.outbox.insert(id, row);
        }
    }

    /// Begins or ends an outage: while it lasts, every call fails with `Unavailable` and does nothing.
    pub fn set_outage(&self, outage: bool) {
        self.lock().outage = outage;
    }

    /// How often an operation was called: "journal read", "positions advance" …
    pub fn calls(&self, operation: &str) -> u64 {
        self.lock().calls.get(operation).copied().unwrap_or(0)
    }

    /// Cuts a member off, as if its process had been stopped: from now on its calls to the leases fail, and its
    /// leases run out.
    pub fn silence(&self, member: &str) {
        self.lock().silent.insert(member.to_owned());
    }

    /// How many partitions of a scope each owner has whose lease has not run out.
    pub fn owned(&self, scope: &str) -> HashMap<String, usize> {
        let now = Instant::now();
        let state = self.lock();
        let mut owned = HashMap::new();
        for (_, row) in state.leases.iter().filter(|((of, _), row)| of == scope && row.expires > now) {
            if let Some(owner) = &row.owner {
                *owned.entry(owner.clone()).or_default() += 1;
            }
        }
        owned
    }

    /// How many journal entries have been read by partition.
    pub fn entries_read(&self) -> u64 {
        self.lock().entries_read
    }

    /// The members alive in a scope.
    pub fn members(&self, scope: &str) -> Vec<String> {
        let now = Instant::now();
        let state = self.lock();
        let alive = state.members.iter().filter(|((of, _), expires)| of == scope && **expires > now);
        alive.map(|((_, member), _)| member.clone()).collect()
    }

    pub(super) fn ring(&self) {
        self.signal.ring();
    }

    /// The state for what one member does with the leases, unless it has been silenced.
    pub(super) fn begin_for(
        &self,
        member: &str,
        operation: &'static str,
    ) -> Result<MutexGuard<'_, State>, StorageError> {
        let state = self.begin(operation)?;
        match state.silent.contains(member) {
            true => Err(StorageError::new(StorageErrorKind::Unavailable, operation, "the member is silenced")),
            false => Ok(state),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for one operation, unless there is an outage.
    pub(super) fn begin(&self, operation: &'static str) -> Result<MutexGuard<'_, State>, StorageError> {
        let mut state = self.lock();
        *state.calls.entry(operation).or_default() += 1;
        match state.outage {
            true => Err(StorageError::new(StorageErrorKind::Unavailable, operation, "an outage was asked for")),
            false => Ok(state),
        }
    }
}

impl State {
    /// The next publication or recording time.
    pub(super) fn tick(&mut self) -> Timestamp {
        const BASE: Timestamp = Timestamp::constant(1_700_000_000, 0);
        self.ticks += 1;
        BASE.checked_add(SignedDuration::from_micros(self.ticks)).unwrap_or(BASE)
    }

    /// Puts an event at the next position of its partition, unless the journal has its id.
    pub(super) fn publish(&mut self, partition: Partition, event: EventEnvelope) {
        if !self.journal_ids.insert(event.id) {
            return;
        }
        let published_at = self.tick();
        let pruned = self.pruned(partition);
        let entries = self.journal.entry(partition).or_default();
        let position = pruned + entries.len() as u64 + 1;
        entries.push(JournalEntry { partition, position, published_at, event });
    }

    /// How many entries of a partition were pruned.
    pub(super) fn pruned(&self, partition: Partition) -> u64 {
        self.pruned.get(&partition).copied().unwrap_or(0)
    }

    /// Refuses a lease that has gone to another owner, or that was given back.
    pub(super) fn check_lease(&self, lease: &Lease, operation: &'static str) -> Result<(), StorageError> {
        let row = self.leases.get(&(lease.scope.clone(), lease.partition));
        match row.is_some_and(|row| row.epoch == lease.epoch && row.owner.is_some()) {
            true => Ok(()),
            false => Err(StorageError::new(StorageErrorKind::Fenced, operation, "the lease has another owner")),
        }
    }
}
