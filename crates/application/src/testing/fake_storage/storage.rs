use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Behaviour, Point, unit_of_work::FakeUnitOfWork};
use crate::{
    ports::{StorageError, StorageErrorKind, StoredResponse, TransactionOptions, UnitOfWork, UnitOfWorkFactory},
    testing::memory_failures::{Change, FailureTables, Hold, MemoryFailures, Reading, TableAccess},
};

/// What has been committed.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The outbox, in order.
    pub events: Vec<EventEnvelope>,
    /// What is scheduled, and for when, in order of scheduling.
    pub scheduled: Vec<(EventEnvelope, Timestamp)>,
    /// The inbox: handlers and the events they took, or have parked, or will not take.
    pub inbox: BTreeSet<(String, Uuid)>,
    /// The answers kept, by scope and key.
    pub answers: Answers,
}

/// Fingerprints and answers, by scope and key.
pub(super) type Answers = BTreeMap<(String, String), ([u8; 16], StoredResponse)>;

/// How units of work have ended so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Begun.
    pub begun: u32,
    /// Ended by a commit.
    pub committed: u32,
    /// Ended by `rollback`.
    pub rolled_back: u32,
    /// Ended by being dropped, or by a commit that failed.
    pub abandoned: u32,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) events: Vec<EventEnvelope>,
    pub(super) scheduled: Vec<(EventEnvelope, Timestamp)>,
    pub(super) answers: Answers,
    pub(super) failures: FailureTables,
    pub(super) tally: Tally,
    /// What transactions hold until they end.
    pub(super) held: HashMap<Hold, u64>,
    script: HashMap<Point, VecDeque<Behaviour>>,
    options: Vec<TransactionOptions>,
}

/// A storage in memory for tests of what runs in transactions. It knows the toolkit's tables only, shows what was
/// committed, and misbehaves as told.
#[derive(Default)]
pub struct FakeStorage {
    state: Mutex<State>,
    /// Wakes in the order of waiting, so that what was simulated once can be repeated.
    ended: Notify,
}

impl FakeStorage {
    /// An empty storage that behaves.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What happens the next times at `point`, one after the other; after that, nothing unusual.
    pub fn script(&self, point: Point, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.state().script.entry(point).or_default().extend(behaviours);
    }

    /// What has been committed.
    pub fn committed(&self) -> Committed {
        let state = self.state();
        Committed {
            events: state.events.clone(),
            scheduled: state.scheduled.clone(),
            inbox: state.failures.inbox().cloned().collect(),
            answers: state.answers.clone(),
        }
    }

    /// How units of work have ended so far.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// How each unit of work was begun.
    pub fn begun_with(&self) -> Vec<TransactionOptions> {
        self.state().options.clone()
    }

    /// Its parking store, dead letters, crash marks and replays. Each of their changes is a transaction of its own.
    pub fn failures(self: &Arc<Self>) -> MemoryFailures {
        MemoryFailures::new(self.clone())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::panic, reason = "a test asked for it")]
    pub(super) async fn reach(&self, point: Point, operation: &'static str) -> Result<Behaviour, StorageError> {
        let next = self.state().script.get_mut(&point).and_then(VecDeque::pop_front).unwrap_or(Behaviour::Normal);
        let failed = |kind| Err(StorageError::new(kind, operation, "as the test says"));
        match &next {
            Behaviour::Fail(kind) => return failed(*kind),
            Behaviour::WaitAndFail(gate, kind) => {
                gate.pass().await;
                return failed(*kind);
            }
            Behaviour::Panic => panic!("{operation} panicked, as the test says"),
            Behaviour::Wait(gate) => gate.pass().await,
            Behaviour::Normal | Behaviour::Lost { .. } => {}
        }
        Ok(next)
    }

    /// Does `work` with the state once nobody else than `owner` holds any of `needs`.
    pub(super) async fn when_free<T>(
        &self,
        owner: Option<u64>,
        needs: &[Hold],
        work: impl FnOnce(&mut State) -> T,
    ) -> T {
        loop {
            // Hears of whatever ends from here on.
            let ended = self.ended.notified();
            {
                let mut state = self.state();
                let taken = |(held, holder): (&Hold, &u64)| {
                    Some(*holder) != owner && needs.iter().any(|need| need.waits_for(held))
                };
                if !state.held.iter().any(taken) {
                    return work(&mut state);
                }
            }
            ended.await;
        }
    }

    /// Wakes those who wait for what a transaction held.
    pub(super) fn ring(&self) {
        self.ended.notify_waiters();
    }
}

#[async_trait]
impl TableAccess for FakeStorage {
    async fn change(&self, operation: &'static str, needs: &[Hold], change: Change<'_>) -> Result<(), StorageError> {
        let behaviour = self.reach(Point::of(operation), operation).await?;
        if !matches!(behaviour, Behaviour::Lost { committed: false }) {
            self.when_free(None, needs, |state| change(&mut state.failures)).await;
        }
        match behaviour {
            Behaviour::Lost { .. } => {
                Err(StorageError::new(StorageErrorKind::Unavailable, operation, "connection lost"))
            }
            _ => Ok(()),
        }
    }

    async fn read(&self, operation: &'static str, reading: Reading<'_>) -> Result<(), StorageError> {
        self.reach(Point::of(operation), operation).await?;
        reading(&self.state().failures);
        Ok(())
    }
}

#[async_trait]
impl UnitOfWorkFactory<dyn UnitOfWork> for Arc<FakeStorage> {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn UnitOfWork>, StorageError> {
        self.reach(Point::Begin, "begin").await?;
        let mut state = self.state();
        state.tally.begun += 1;
        state.options.push(options);
        let id = state.tally.begun.into();
        drop(state);
        Ok(Box::new(FakeUnitOfWork::new(self.clone(), id)))
    }
}
