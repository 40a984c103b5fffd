use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use activelog_application::ports::{CommitError, Signal, StorageError, StorageErrorKind};
use sqlx::SqlitePool;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use super::{
    group::{Touched, Verdict},
    options::SqliteOptions,
    session::Session,
    statement::Statement,
    write_unit::WriteUnit,
};

/// The most units of work that share a round trip: beyond it the gain is small.
const TOGETHER_MAX: usize = 16;

/// How long closing waits for units of work under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The one writer of this process: group commit over savepoints.
///
/// Units of work take turns in the order they came. The one whose turn it is has the connection to itself and works in a
/// savepoint; when it commits, the next one goes on at once, and it waits for the outer transaction. That commits
/// when nobody waits for a turn any more, when it has had `max_batch` units, or when it is `max_batch_age` old. The
/// group thus grows by itself with the load: whatever queues up during one `fsync` shares the next.
///
/// The connection travels as a [`Session`] from turn to turn. Whatever drops a [`Turn`] gives it back, so it
/// cannot get lost: what was left half done is undone in a task of the writer's own before the next turn.
pub(super) struct Writer {
    queue: Mutex<Queue>,
    runtime: Handle,
    acquire_timeout: Duration,
    max_batch: usize,
    max_batch_age: Duration,
    pub(super) outbox: Signal,
    pub(super) journal: Signal,
    commits: AtomicU64,
}

struct Queue {
    /// The session while nobody has it.
    seat: Option<Session>,
    waiting: VecDeque<Waiting>,
    closed: bool,
}

/// Who waits for the session.
enum Waiting {
    /// A unit of work that will work with it itself.
    Turn(oneshot::Sender<Turn>),
    /// A unit of work whose writes are all known. Empty when it has given up.
    Whole(Arc<Mutex<Option<Whole>>>),
}

impl Waiting {
    fn has_given_up(&self) -> bool {
        match self {
            Self::Turn(sender) => sender.is_closed(),
            Self::Whole(slot) => take_or_peek(slot, |whole| whole.is_none()),
        }
    }
}

/// A unit of work that the writer runs on its own.
struct Whole {
    statement: Statement,
    touched: Touched,
    participant: oneshot::Sender<Verdict>,
}

fn take_or_peek<T>(slot: &Mutex<Option<Whole>>, look: impl FnOnce(&mut Option<Whole>) -> T) -> T {
    look(&mut slot.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Who is next.
enum Next {
    /// Somebody has the session, or it waits in its seat.
    Gone,
    /// Units of work with the same text, to be run in one go.
    Wholes(Session, Vec<Whole>),
    /// Nobody, and an outer transaction is open.
    Nobody(Session),
}

/// The right to write, until it is dropped.
pub(super) struct Turn {
    session: Option<Session>,
    writer: Arc<Writer>,
}

impl Turn {
    /// The connection. `None` only while being dropped.
    pub(super) fn session(&mut self, operation: &'static str) -> Result<&mut Session, StorageError> {
        self.session.as_mut().ok_or_else(|| StorageError::new(StorageErrorKind::Other, operation, "the turn is over"))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.writer.take_back(session);
        }
    }
}

impl Writer {
    /// A writer over an open session. Must be called within a Tokio runtime.
    pub(super) fn new(session: Session, options: &SqliteOptions) -> Arc<Self> {
        Arc::new(Self {
            queue: Mutex::new(Queue { seat: Some(session), waiting: VecDeque::new(), closed: false }),
            runtime: Handle::current(),
            acquire_timeout: options.acquire_timeout,
            max_batch: options.max_batch.max(1),
            max_batch_age: options.max_batch_age,
            outbox: Signal::new(),
            journal: Signal::new(),
            commits: AtomicU64::new(0),
        })
    }

    /// How many outer transactions were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// A unit of work that takes its turn with its first statement, and waits for it no longer than the configured timeout
    /// and the rest of `patience`.
    pub(super) fn begin(self: &Arc<Self>, patience: Duration) -> Result<WriteUnit, StorageError> {
        if self.lock().closed {
            return Err(closed());
        }
        Ok(WriteUnit::new(Arc::clone(self), Instant::now() + patience))
    }

    /// A unit of work whose turn it is now. Waits for it with the configured timeout alone. Cancel-safe.
    pub(super) async fn begin_now(self: &Arc<Self>) -> Result<WriteUnit, StorageError> {
        let mut unit = self.begin(self.acquire_timeout)?;
        unit.take_turn().await?;
        Ok(unit)
    }

    /// The connection, in an outer transaction. Waits no longer than the configured timeout, and not beyond `deadline`.
    /// Cancel-safe.
    pub(super) async fn take_turn(self: &Arc<Self>, deadline: Instant) -> Result<Turn, StorageError> {
        let deadline = deadline.min(Instant::now() + self.acquire_timeout);
        let mut turn = self.turn(deadline, false).await?;
        turn.session("begin")?.begin(deadline).await?;
        Ok(turn)
    }

    async fn turn(self: &Arc<Self>, deadline: Instant, closing: bool) -> Result<Turn, StorageError> {
        let turn = {
            let mut queue = self.lock();
            if queue.closed && !closing {
                return Err(closed());
            }
            queue.closed |= closing;
            match queue.seat.take() {
                Some(session) => return Ok(Turn { session: Some(session), writer: Arc::clone(self) }),
                None => {
                    let (sender, receiver) = oneshot::channel();
                    queue.push(Waiting::Turn(sender));
                    receiver
                }
            }
        };
        match tokio::time::timeout_at(deadline, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(closed()),
            Err(_) => Err(unavailable("no turn to write in time")),
        }
    }

    /// Runs a unit of work whose writes are all known, and waits for the commit of its group. Those that wait at the same time share
    /// round trips. Gives up, with no effect, when its turn has not come by `deadline` or the configured timeout.
    pub(super) async fn write_whole(
        self: &Arc<Self>,
        statement: Statement,
        touched: Touched,
        deadline: Instant,
    ) -> Result<(), CommitError> {
        let deadline = deadline.min(Instant::now() + self.acquire_timeout);
        let (participant, mut verdict) = oneshot::channel();
        let slot = Arc::new(Mutex::new(Some(Whole { statement, touched, participant })));
        {
            let mut queue = self.lock();
            if queue.closed {
                return Err(CommitError::RolledBack(closed()));
            }
            queue.push(Waiting::Whole(Arc::clone(&slot)));
            if let Some(session) = queue.seat.take() {
                self.runtime.spawn(Arc::clone(self).tend(session));
            }
        }
        if let Ok(verdict) = tokio::time::timeout_at(deadline, &mut verdict).await {
            return verdict.unwrap_or_else(|_| Err(shut_down()));
        }
        match take_or_peek(&slot, Option::take) {
            Some(_) => Err(CommitError::RolledBack(unavailable("no turn to write in time"))),
            // It is running: the outcome is waited for.
            None => verdict.await.unwrap_or_else(|_| Err(shut_down())),
        }
    }

    /// Takes the session from a turn that is over.
    fn take_back(self: &Arc<Self>, session: Session) {
        if session.is_untidy() || session.is_due(self.max_batch, self.max_batch_age) {
            self.runtime.spawn(Arc::clone(self).tend(session));
            return;
        }
        match self.next(session) {
            Next::Gone => {}
            Next::Nobody(session) => drop(self.runtime.spawn(Arc::clone(self).tend(session))),
            Next::Wholes(mut session, wholes) => {
                let writer = Arc::clone(self);
                self.runtime.spawn(async move {
                    writer.run(&mut session, wholes).await;
                    writer.tend(session).await;
                });
            }
        }
    }

    /// Gives the session to those that wait for a turn, until one comes that does not need it itself; seats it if nobody waits and no
    /// transaction is open.
    fn next(self: &Arc<Self>, session: Session) -> Next {
        let mut queue = self.lock();
        let mut turn = Turn { session: Some(session), writer: Arc::clone(self) };
        while let Some(next) = queue.waiting.pop_front() {
            match next {
                Waiting::Turn(sender) => match sender.send(turn) {
                    Ok(()) => return Next::Gone,
                    // It has given up waiting.
                    Err(back) => turn = back,
                },
                Waiting::Whole(slot) => {
                    let Some(first) = take_or_peek(&slot, Option::take) else { continue };
                    let Some(session) = turn.session.take() else { return Next::Gone };
                    let wholes = queue.take_alike(first, self.max_batch.min(TOGETHER_MAX));
                    return Next::Wholes(session, wholes);
                }
            }
        }
        let Some(session) = turn.session.take() else { return Next::Gone };
        if session.is_open() {
            return Next::Nobody(session);
        }
        queue.seat = Some(session);
        Next::Gone
    }

    /// Undoes what was left half done, runs what waits to be run, and commits unless somebody wants to join the group.
    async fn tend(self: Arc<Self>, mut session: Session) {
        loop {
            session.undo().await;
            if session.is_due(self.max_batch, self.max_batch_age) {
                self.settle(&mut session).await;
            } else if session.is_open() {
                // Tasks that have just become runnable get the chance to queue up; no timer is waited for.
                tokio::task::yield_now().await;
            }
            session = match self.next(session) {
                Next::Gone => return,
                Next::Wholes(mut session, wholes) => {
                    self.run(&mut session, wholes).await;
                    session
                }
                Next::Nobody(mut session) => {
                    self.settle(&mut session).await;
                    session
                }
            };
        }
    }

    /// Runs units of work that have the same text: all in one round trip, or, when one of them fails, one after the other.
    async fn run(&self, session: &mut Session, wholes: Vec<Whole>) {
        if let Err(error) = session.begin(Instant::now() + self.acquire_timeout).await {
            for whole in wholes {
                let error = StorageError::new(error.kind, "begin", error.to_string());
                // Whoever is gone does not want to know.
                let _ = whole.participant.send(Err(CommitError::RolledBack(error)));
            }
            return;
        }
        let together = wholes.iter().map(|whole| whole.statement.clone()).reduce(Statement::then);
        if let Some(together) = together.filter(|_| wholes.len() > 1) {
            if session.run(together).await.is_ok() {
                wholes.iter().skip(1).for_each(|_| session.count());
                let touched = wholes.iter().fold(Touched::default(), |all, whole| all.and(whole.touched));
                return session.join_as(touched, wholes.into_iter().map(|whole| whole.participant));
            }
            session.undo().await;
        }
        for whole in wholes {
            let outcome = match session.lost() {
                Some(error) => Err(error),
                None => session.run(whole.statement).await.map(drop),
            };
            match outcome {
                Ok(()) => session.join_as(whole.touched, [whole.participant]),
                Err(error) => {
                    let _ = whole.participant.send(Err(CommitError::RolledBack(error)));
                    session.undo().await;
                }
            }
        }
    }

    async fn settle(&self, session: &mut Session) {
        if let Some(committed) = session.end().await {
            self.commits.fetch_add(1, Ordering::Relaxed);
            if committed.outbox {
                self.outbox.ring();
            }
            if committed.journal {
                self.journal.ring();
            }
        }
    }

    /// Lets those that wait finish, then closes the readers and the connection. Idempotent.
    ///
    /// In this order: the last connection to close brings the write-ahead log into the database file, so that the file alone is a backup. One that may only
    /// read cannot do it.
    pub(super) async fn close(self: &Arc<Self>, readers: &SqlitePool) {
        if self.lock().closed {
            return readers.close().await;
        }
        match self.turn(Instant::now() + CLOSE_TIMEOUT, true).await {
            Ok(mut turn) => {
                if let Some(mut session) = turn.session.take() {
                    session.undo().await;
                    self.settle(&mut session).await;
                    readers.close().await;
                    session.disconnect().await;
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "closing SQLite with a unit of work under way");
                readers.close().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, waiting: Waiting) {
        // Those that gave up leave their place when it is their turn, or when the queue gets long.
        if self.waiting.len() >= 1_024 {
            self.waiting.retain(|waiting| !waiting.has_given_up());
        }
        self.waiting.push_back(waiting);
    }

    /// Takes from the front those that have the same text as `first`, with it at most `most`: so many that with it they are a power of two, so that few
    /// different texts have to be kept compiled.
    fn take_alike(&mut self, first: Whole, most: usize) -> Vec<Whole> {
        let text = first.statement.sql.clone();
        let alike = self.waiting.iter().take(most - 1).take_while(|waiting| match waiting {
            Waiting::Whole(slot) => {
                take_or_peek(slot, |whole| whole.as_ref().is_none_or(|whole| whole.statement.sql == text))
            }
            Waiting::Turn(_) => false,
        });
        let count = alike.count() + 1;
        let together = 1 << count.ilog2();
        let rest = self.waiting.drain(..together - 1).filter_map(|waiting| match waiting {
            Waiting::Whole(slot) => take_or_peek(&slot, Option::take),
            Waiting::Turn(_) => None,
        });
        std::iter::once(first).chain(rest).collect()
    }
}

pub(super) fn shut_down() -> CommitError {
    let reason = "the runtime shut down before the commit was answered";
    CommitError::Unknown(StorageError::new(StorageErrorKind::Unavailable, "commit", reason))
}

fn unavailable(reason: &'static str) -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, "begin", reason)
}

fn closed() -> StorageError {
    unavailable("the database is closed")
}
