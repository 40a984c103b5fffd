use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use super::Gate;
use crate::ports::{
    Claim, CommitError, IdempotencyKey, IdempotencyStore, Inbox, Outbox, StorageError, StorageErrorKind,
    StoredResponse, TransactionOptions, UnitOfWork, UnitOfWorkFactory,
};

/// Where a [`FakeStorage`] can be made to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Point {
    /// Beginning a unit of work.
    Begin,
    /// Appending to the outbox.
    Append,
    /// Recording in the inbox.
    Record,
    /// Claiming an idempotency key.
    Claim,
    /// Keeping an answer.
    Answer,
    /// Committing.
    Commit,
    /// Rolling back.
    Rollback,
}

/// What happens at a [`Point`] instead of, or before, what should.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Nothing unusual.
    Normal,
    /// It fails with this kind. A statement poisons the unit of work; a commit is rolled back.
    Fail(StorageErrorKind),
    /// The answer of a commit is lost, after it was done or not.
    Lost {
        /// Whether it was done.
        committed: bool,
    },
    /// It panics.
    Panic,
    /// It waits at the gate and then goes on as it should.
    Wait(Arc<Gate>),
    /// It waits at the gate and then fails with this kind.
    WaitAndFail(Arc<Gate>, StorageErrorKind),
}

/// What has been committed.
#[derive(Debug, Clone, Default)]
pub struct Committed {
    /// The outbox, in order.
    pub events: Vec<EventEnvelope>,
    /// The inbox: handlers and the events they took.
    pub inbox: BTreeSet<(String, Uuid)>,
    /// The answers kept, by scope and key.
    pub answers: BTreeMap<(String, String), ([u8; 16], StoredResponse)>,
}

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

/// What a transaction holds until it ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Held {
    Inbox(String, Uuid),
    Key(String, String),
}

#[derive(Default)]
struct State {
    committed: Committed,
    tally: Tally,
    held: HashMap<Held, u64>,
    script: HashMap<Point, VecDeque<Behaviour>>,
    options: Vec<TransactionOptions>,
}

/// A storage in memory for tests of what runs in transactions. It knows the toolkit's tables only, shows what was
/// committed, and misbehaves as told.
#[derive(Default)]
pub struct FakeStorage {
    state: Mutex<State>,
    ended: watch::Sender<u64>,
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
        self.state().committed.clone()
    }

    /// How units of work have ended so far.
    pub fn tally(&self) -> Tally {
        self.state().tally
    }

    /// How each unit of work was begun.
    pub fn begun_with(&self) -> Vec<TransactionOptions> {
        self.state().options.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::panic, reason = "a test asked for it")]
    async fn reach(&self, point: Point, operation: &'static str) -> Result<Behaviour, StorageError> {
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
        Ok(Box::new(FakeUnitOfWork {
            storage: self.clone(),
            id,
            written: Committed::default(),
            poisoned: false,
            ended: false,
        }))
    }
}

struct FakeUnitOfWork {
    storage: Arc<FakeStorage>,
    id: u64,
    written: Committed,
    poisoned: bool,
    ended: bool,
}

impl FakeUnitOfWork {
    async fn statement(&mut self, point: Point, operation: &'static str) -> Result<(), StorageError> {
        if self.poisoned {
            return Err(StorageError::new(StorageErrorKind::Other, operation, "an earlier statement failed"));
        }
        // Also when the caller drops the statement in the middle.
        self.poisoned = true;
        self.storage.reach(point, operation).await?;
        self.poisoned = false;
        Ok(())
    }

    /// Takes hold of `what`, once nobody else has it.
    async fn hold(&self, what: Held) {
        let mut ended = self.storage.ended.subscribe();
        loop {
            ended.mark_unchanged();
            let owner = *self.storage.state().held.entry(what.clone()).or_insert(self.id);
            if owner == self.id {
                return;
            }
            // The sender lives in the storage, so waiting cannot fail.
            let _ended = ended.changed().await.is_ok();
        }
    }

    fn end(&mut self, tally: impl FnOnce(&mut Tally)) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut state = self.storage.state();
        state.held.retain(|_, owner| *owner != self.id);
        tally(&mut state.tally);
        drop(state);
        self.storage.ended.send_modify(|n| *n += 1);
    }

    fn apply(&mut self) {
        let written = std::mem::take(&mut self.written);
        let mut state = self.storage.state();
        state.committed.events.extend(written.events);
        state.committed.inbox.extend(written.inbox);
        state.committed.answers.extend(written.answers);
    }
}

impl Drop for FakeUnitOfWork {
    fn drop(&mut self) {
        self.end(|tally| tally.abandoned += 1);
    }
}

#[async_trait]
impl UnitOfWork for FakeUnitOfWork {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        Box::new(Tables(self))
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        Box::new(Tables(self))
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        Box::new(Tables(self))
    }

    async fn commit(mut self: Box<Self>) -> Result<(), CommitError> {
        if self.poisoned {
            let error = StorageError::new(StorageErrorKind::Other, "commit", "an earlier statement failed");
            return Err(CommitError::RolledBack(error));
        }
        let behaviour = self.storage.clone().reach(Point::Commit, "commit").await.map_err(CommitError::RolledBack)?;
        let lost =
            || CommitError::Unknown(StorageError::new(StorageErrorKind::Unavailable, "commit", "connection lost"));
        if matches!(behaviour, Behaviour::Lost { committed: false }) {
            return Err(lost());
        }
        self.apply();
        self.end(|tally| tally.committed += 1);
        if matches!(behaviour, Behaviour::Lost { .. }) { Err(lost()) } else { Ok(()) }
    }

    async fn rollback(mut self: Box<Self>) {
        // Whatever the script says, it is undone.
        let _reached = self.storage.clone().reach(Point::Rollback, "rollback").await.is_ok();
        self.end(|tally| tally.rolled_back += 1);
    }
}

struct Tables<'a>(&'a mut FakeUnitOfWork);

#[async_trait]
impl Outbox for Tables<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        self.0.statement(Point::Append, "append to outbox").await?;
        self.0.written.events.extend_from_slice(events);
        Ok(())
    }
}

#[async_trait]
impl Inbox for Tables<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid) -> Result<bool, StorageError> {
        self.0.statement(Point::Record, "record in inbox").await?;
        self.0.hold(Held::Inbox(handler.to_owned(), event_id)).await;
        let row = (handler.to_owned(), event_id);
        let new = !self.0.storage.state().committed.inbox.contains(&row);
        Ok(self.0.written.inbox.insert(row) && new)
    }
}

#[async_trait]
impl IdempotencyStore for Tables<'_> {
    async fn claim(&mut self, key: &IdempotencyKey) -> Result<Claim, StorageError> {
        self.0.statement(Point::Claim, "claim idempotency key").await?;
        let row = (key.scope.clone(), key.key.clone());
        self.0.hold(Held::Key(row.0.clone(), row.1.clone())).await;
        Ok(match self.0.storage.state().committed.answers.get(&row) {
            None => Claim::New,
            Some((fingerprint, response)) if *fingerprint == key.fingerprint => Claim::Answered(response.clone()),
            Some(_) => Claim::Mismatch,
        })
    }

    async fn answer(&mut self, key: &IdempotencyKey, response: &StoredResponse) -> Result<(), StorageError> {
        self.0.statement(Point::Answer, "keep answer").await?;
        self.0.written.answers.insert((key.scope.clone(), key.key.clone()), (key.fingerprint, response.clone()));
        Ok(())
    }
}
