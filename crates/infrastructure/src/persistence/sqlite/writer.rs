use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use activelog_application::ports::{Signal, StorageError, StorageErrorKind};
use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use super::{options::SqliteOptions, session::Session, write_unit::WriteUnit};

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
    waiting: VecDeque<oneshot::Sender<Turn>>,
    closed: bool,
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

    /// Begins a unit of work, waiting for its turn no longer than `patience` and the configured timeout. Cancel-safe.
    pub(super) async fn begin(self: &Arc<Self>, patience: Duration) -> Result<WriteUnit, StorageError> {
        let deadline = Instant::now() + self.acquire_timeout.min(patience);
        let mut turn = self.turn(deadline, false).await?;
        turn.session("begin")?.begin(deadline).await?;
        Ok(WriteUnit::new(turn))
    }

    /// Begins a unit of work with the configured timeout alone.
    pub(super) async fn begin_now(self: &Arc<Self>) -> Result<WriteUnit, StorageError> {
        self.begin(self.acquire_timeout).await
    }

    async fn turn(self: &Arc<Self>, deadline: Instant, closing: bool) -> Result<Turn, StorageError> {
        let unavailable = |reason: &'static str| StorageError::new(StorageErrorKind::Unavailable, "begin", reason);
        let turn = {
            let mut queue = self.lock();
            if queue.closed && !closing {
                return Err(unavailable("the database is closed"));
            }
            queue.closed |= closing;
            match queue.seat.take() {
                Some(session) => return Ok(Turn { session: Some(session), writer: Arc::clone(self) }),
                None => {
                    let (sender, receiver) = oneshot::channel();
                    // Those that gave up leave their place when it is their turn, or when the queue gets long.
                    if queue.waiting.len() >= 1_024 {
                        queue.waiting.retain(|waiting| !waiting.is_closed());
                    }
                    queue.waiting.push_back(sender);
                    receiver
                }
            }
        };
        match tokio::time::timeout_at(deadline, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(unavailable("the database is closed")),
            Err(_) => Err(unavailable("no turn to write in time")),
        }
    }

    /// Takes the session from a turn that is over.
    fn take_back(self: &Arc<Self>, session: Session) {
        let busy = session.is_untidy() || session.is_due(self.max_batch, self.max_batch_age);
        let session = if busy { Some(session) } else { self.hand_on(session) };
        if let Some(session) = session {
            self.runtime.spawn(Arc::clone(self).tend(session));
        }
    }

    /// Gives the session to the next in the queue; seats it if nobody waits and no transaction is open. Otherwise it comes
    /// back.
    fn hand_on(self: &Arc<Self>, session: Session) -> Option<Session> {
        let mut queue = self.lock();
        let mut turn = Turn { session: Some(session), writer: Arc::clone(self) };
        while let Some(next) = queue.waiting.pop_front() {
            match next.send(turn) {
                Ok(()) => return None,
                // It has given up waiting.
                Err(back) => turn = back,
            }
        }
        let session = turn.session.take()?;
        if session.is_open() {
            return Some(session);
        }
        queue.seat = Some(session);
        None
    }

    /// Undoes what was left half done, and commits unless somebody wants to join the group.
    async fn tend(self: Arc<Self>, mut session: Session) {
        session.undo().await;
        if !session.is_due(self.max_batch, self.max_batch_age) {
            // Tasks that have just become runnable get the chance to queue up; no timer is waited for.
            tokio::task::yield_now().await;
            match self.hand_on(session) {
                None => return,
                Some(back) => session = back,
            }
        }
        self.settle(&mut session).await;
        self.hand_on(session);
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

    /// Lets those that wait finish, then closes the connection. Idempotent.
    pub(super) async fn close(self: &Arc<Self>) {
        if self.lock().closed {
            return;
        }
        match self.turn(Instant::now() + CLOSE_TIMEOUT, true).await {
            Ok(mut turn) => {
                if let Some(mut session) = turn.session.take() {
                    session.undo().await;
                    self.settle(&mut session).await;
                    session.disconnect().await;
                }
            }
            Err(error) => tracing::warn!(error = %error, "closing SQLite with a unit of work under way"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
