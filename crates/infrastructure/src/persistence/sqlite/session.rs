use std::time::Duration;

use activelog_application::ports::{StorageError, StorageErrorKind};
use futures::TryStreamExt;
use sqlx::{
    AssertSqlSafe, Connection, Either, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    error_mapping::{is_busy, is_refusal, spares_transaction, storage_error},
    group::{Failure, Group, Touched, Verdict},
    options::{SqliteOptions, open_writing, writing},
    statement::Statement,
};

/// How long to wait before asking again for the write lock that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(1);

/// SQLite's write lock has no queue: a process that takes it again at once starves the others. After holding it for `HOLD`
/// with no more than moments between, the writer leaves it alone for `BREATH`, which is longer than `LOCK_POLL`.
const HOLD: Duration = Duration::from_millis(100);
const BREATH: Duration = Duration::from_millis(3);

/// A group may collect for this many times what the last commit took, so that a slow disk makes groups larger rather than
/// spending its time on small ones; up to `COLLECT_MAX`.
const COLLECT_FACTOR: u32 = 4;
const COLLECT_MAX: Duration = Duration::from_millis(100);

/// The two names of savepoints. They alternate, so that after an interrupted statement it can be told whether the unit's
/// own savepoint is open or still that of the unit before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    A,
    B,
}

impl Savepoint {
    fn rollback(self) -> &'static str {
        match self {
            Self::A => "ROLLBACK TO a",
            Self::B => "ROLLBACK TO b",
        }
    }

    fn release(self) -> &'static str {
        match self {
            Self::A => "RELEASE a",
            Self::B => "RELEASE b",
        }
    }
}

/// Where the connection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// No transaction.
    Idle,
    /// BEGIN is under way.
    Beginning,
    /// In the outer transaction, with no savepoint open.
    Begun,
    /// In the outer transaction. The savepoint of the last unit is still open, with nothing in it that may be undone: it is
    /// released together with the next unit's first statement, or by the commit.
    Kept(Savepoint),
    /// In a unit that has sent its first statement.
    Unit { previous: Option<Savepoint>, current: Savepoint },
}

/// What a statement has done.
pub(super) struct Outcome {
    pub(super) rows: Vec<SqliteRow>,
    pub(super) changes: u64,
}

/// The write connection and the group of units of work that share its present transaction. Whoever has it, has the turn.
pub(super) struct Session {
    options: SqliteConnectOptions,
    /// `None` after it broke, until the next begin.
    connection: Option<SqliteConnection>,
    state: State,
    group: Group,
    broken: Option<Failure>,
    /// When the lock was last known to be free for others.
    free_at: Instant,
    released_at: Instant,
    /// How long the last commit took.
    commit_time: Duration,
}

impl Session {
    pub(super) async fn connect(options: &SqliteOptions) -> Result<Self, sqlx::Error> {
        let connection = without_waiting(open_writing(options).await?).await?;
        let now = Instant::now();
        Ok(Self {
            options: writing(&options.path, options.acquire_timeout),
            connection: Some(connection),
            state: State::Idle,
            group: Group::default(),
            broken: None,
            free_at: now,
            released_at: now,
            commit_time: Duration::ZERO,
        })
    }

    /// Makes sure there is an outer transaction. Waits for other processes' until `deadline`.
    pub(super) async fn begin(&mut self, deadline: Instant) -> Result<(), StorageError> {
        if self.state == State::Idle {
            self.breathe().await;
            loop {
                match self.try_begin().await {
                    Ok(()) => break,
                    Err(error) if is_busy(&error) && Instant::now() < deadline => {
                        tokio::time::sleep(LOCK_POLL).await;
                        self.free_at = Instant::now();
                    }
                    Err(error) if is_busy(&error) => {
                        return Err(StorageError::new(StorageErrorKind::Unavailable, "begin", error));
                    }
                    Err(error) => {
                        self.broken = Some(Failure::rolled_back(&error));
                        return Err(storage_error("begin", error));
                    }
                }
            }
        }
        self.group.count();
        Ok(())
    }

    async fn breathe(&mut self) {
        if self.released_at.elapsed() >= BREATH {
            self.free_at = Instant::now();
        } else if self.free_at.elapsed() >= HOLD {
            tokio::time::sleep(BREATH).await;
            self.free_at = Instant::now();
        }
    }

    async fn try_begin(&mut self) -> Result<(), sqlx::Error> {
        if self.connection.is_none() {
            self.connection = Some(without_waiting(SqliteConnection::connect_with(&self.options).await?).await?);
        }
        self.state = State::Beginning;
        let begun = self.command("BEGIN IMMEDIATE").await;
        self.state = if begun.is_ok() { State::Begun } else { State::Idle };
        if begun.is_ok() {
            self.group = Group::begin();
        }
        begun
    }

    /// Runs a statement of the unit whose turn it is. Its first one opens its savepoint in the same round trip.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<Outcome, StorageError> {
        let (operation, persistent) = (statement.operation, statement.persistent);
        let (sql, arguments) = statement.checked()?;
        let prefix = match self.state {
            State::Unit { .. } => "",
            State::Begun => {
                self.state = State::Unit { previous: None, current: Savepoint::A };
                "SAVEPOINT a; "
            }
            State::Kept(Savepoint::A) => {
                self.state = State::Unit { previous: Some(Savepoint::A), current: Savepoint::B };
                "RELEASE a; SAVEPOINT b; "
            }
            State::Kept(Savepoint::B) => {
                self.state = State::Unit { previous: Some(Savepoint::B), current: Savepoint::A };
                "RELEASE b; SAVEPOINT a; "
            }
            State::Idle | State::Beginning => {
                return Err(StorageError::new(StorageErrorKind::Other, operation, "the unit of work was not begun"));
            }
        };
        let connection = self.connection.as_mut().ok_or_else(|| {
            StorageError::new(StorageErrorKind::Unavailable, operation, "the write connection is closed")
        })?;
        let sql = AssertSqlSafe([prefix, &sql].concat());
        let query = sqlx::query_with(sql, arguments).persistent(persistent);
        let mut steps = connection.fetch_many(query);
        let mut outcome = Outcome { rows: Vec::new(), changes: 0 };
        loop {
            match steps.try_next().await {
                // Of several statements in one text the last one counts.
                Ok(Some(Either::Left(done))) => outcome.changes = done.rows_affected(),
                Ok(Some(Either::Right(row))) => outcome.rows.push(row),
                Ok(None) => return Ok(outcome),
                Err(error) => {
                    if !spares_transaction(&error) {
                        self.broken = Some(Failure::rolled_back(&error));
                    }
                    return Err(storage_error(operation, error));
                }
            }
        }
    }

    /// Ends the unit under way: it waits for the commit of the outer transaction. `None` when it has done nothing.
    pub(super) fn join(&mut self, touched: Touched) -> Option<oneshot::Receiver<Verdict>> {
        let (participant, verdict) = oneshot::channel();
        matches!(self.state, State::Unit { .. }).then(|| {
            self.join_as(touched, [participant]);
            verdict
        })
    }

    /// Tells of the end of the group without taking part in it. `None` when nobody waits for its commit.
    pub(super) fn watch(&mut self) -> Option<oneshot::Receiver<Verdict>> {
        if self.group.is_empty() {
            return None;
        }
        let (watcher, verdict) = oneshot::channel();
        self.group.join([watcher]);
        Some(verdict)
    }

    /// Ends the unit under way, in which several have written: all of them wait for the commit of the outer transaction.
    pub(super) fn join_as(
        &mut self,
        touched: Touched,
        participants: impl IntoIterator<Item = oneshot::Sender<Verdict>>,
    ) {
        if let State::Unit { current, .. } = self.state {
            self.state = State::Kept(current);
        }
        self.group.join(participants);
        self.group.touched = self.group.touched.and(touched);
    }

    /// Counts a unit of work beyond the one that has begun.
    pub(super) fn count(&mut self) {
        self.group.count();
    }

    /// Why the outer transaction is lost, if it is: nothing runs before the group has ended.
    pub(super) fn lost(&self) -> Option<StorageError> {
        self.broken.as_ref().map(|failure| failure.error("join group"))
    }

    /// Whether somebody has to see to the connection before the next unit gets it.
    pub(super) fn is_untidy(&self) -> bool {
        self.broken.is_some() || matches!(self.state, State::Unit { .. } | State::Beginning)
    }

    /// Whether an outer transaction is open.
    pub(super) fn is_open(&self) -> bool {
        self.broken.is_some() || self.state != State::Idle
    }

    /// Whether the outer transaction should end now.
    pub(super) fn is_due(&self, max_batch: usize, max_age: Duration) -> bool {
        let max_age = max_age.max((self.commit_time * COLLECT_FACTOR).min(COLLECT_MAX));
        self.broken.is_some() || (self.state != State::Idle && self.group.is_due(max_batch, max_age))
    }

    /// Undoes the unit under way and nothing else. It may have been left in the middle of a statement; SQLite runs commands one
    /// after the other, so what was sent has run by the time it answers here.
    pub(super) async fn undo(&mut self) {
        match self.state {
            State::Beginning => match self.command("ROLLBACK").await {
                Err(error) if !is_refusal(&error) => self.broken = Some(Failure::rolled_back(&error)),
                _ => self.state = State::Idle,
            },
            State::Unit { previous, current } if self.broken.is_none() => {
                match self.command(current.rollback()).await {
                    Ok(()) => self.state = State::Kept(current),
                    Err(error) if is_refusal(&error) => self.undo_unopened(previous).await,
                    Err(error) => self.broken = Some(Failure::rolled_back(&error)),
                }
            }
            _ => {}
        }
    }

    /// The unit's savepoint is not there: either its first statement was given up before it ran, or the outer transaction is
    /// gone. A second BEGIN tells: it is refused within a transaction.
    async fn undo_unopened(&mut self, previous: Option<Savepoint>) {
        match self.command("BEGIN IMMEDIATE").await {
            Err(error) if is_refusal(&error) => {
                if let Some(previous) = previous {
                    // Refused when it was released already.
                    let _ = self.command(previous.release()).await;
                }
                self.state = State::Begun;
            }
            Err(error) => self.broken = Some(Failure::rolled_back(&error)),
            Ok(()) => {
                let lost = sqlx::Error::Io(std::io::Error::other("the transaction was rolled back by SQLite"));
                self.broken = Some(Failure::rolled_back(&lost));
            }
        }
    }

    /// Ends the outer transaction and tells its units. `Some` with what was touched when something was committed.
    pub(super) async fn end(&mut self) -> Option<Touched> {
        let group = std::mem::take(&mut self.group);
        if self.broken.is_none() && self.state != State::Idle {
            let command = if group.is_empty() { "ROLLBACK" } else { "COMMIT" };
            let started = Instant::now();
            match self.command(command).await {
                Ok(()) => self.state = State::Idle,
                Err(error) => self.broken = Some(Failure::of_commit(&error)),
            }
            if !group.is_empty() {
                self.commit_time = started.elapsed();
            }
        }
        self.released_at = Instant::now();
        if let Some(failure) = self.broken.take() {
            self.disconnect().await;
            tracing::warn!(?failure, "SQLite transaction lost, reconnecting");
            group.fail(&failure);
            return None;
        }
        let touched = group.touched;
        let any = !group.is_empty();
        group.succeed();
        any.then_some(touched)
    }

    /// Closes the connection, which rolls back what it has not committed.
    pub(super) async fn disconnect(&mut self) {
        self.state = State::Idle;
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(error = %error, "closing the SQLite write connection");
        }
    }

    async fn command(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self.connection.as_mut() {
            Some(connection) => connection.execute(sqlx::query(sql)).await.map(drop),
            None => Err(sqlx::Error::WorkerCrashed),
        }
    }
}

async fn without_waiting(mut connection: SqliteConnection) -> Result<SqliteConnection, sqlx::Error> {
    // From here on waiting for the lock is the writer's own business: it must not block the connection's thread.
    connection.execute(sqlx::query("PRAGMA busy_timeout = 0")).await?;
    Ok(connection)
}
