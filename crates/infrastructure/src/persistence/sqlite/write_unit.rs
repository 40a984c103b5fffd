use std::sync::Arc;

use activelog_application::ports::{CommitError, StorageError, StorageErrorKind};
use sqlx::sqlite::SqliteRow;
use tokio::time::Instant;

use super::{
    error_mapping::storage_error,
    group::Touched,
    session::{Outcome, Session},
    statement::Statement,
    writer::{Turn, Writer, shut_down},
};

/// A unit of work on the write connection. Dropping it rolls back what it has done, and only that.
///
/// It takes its turn with the first statement that has to run, and keeps it until its end. A unit that defers its writes and reads
/// nothing does not need a turn at all: the writer runs what it has gathered, in one round trip with others that wait.
pub(super) struct WriteUnit {
    writer: Arc<Writer>,
    /// Until when it may wait for its turn.
    deadline: Instant,
    /// `None` before the first statement.
    turn: Option<Turn>,
    /// Set while a statement is under way and left so when it fails or is given up.
    poison: Option<StorageErrorKind>,
    touched: Touched,
    /// Writes that wait for the next statement that answers something, or for the commit. `None` while writes run at once.
    deferred: Option<Vec<Statement>>,
}

impl WriteUnit {
    pub(super) fn new(writer: Arc<Writer>, deadline: Instant) -> Self {
        Self { writer, deadline, turn: None, poison: None, touched: Touched::default(), deferred: None }
    }

    /// Waits for its turn, unless it has it. Cancel-safe.
    pub(super) async fn take_turn(&mut self) -> Result<&mut Turn, StorageError> {
        let turn = match self.turn.take() {
            Some(turn) => turn,
            None => self.writer.take_turn(self.deadline).await?,
        };
        Ok(self.turn.insert(turn))
    }

    /// The commit is to ring the outbox's signal.
    pub(super) fn touch_outbox(&mut self) {
        self.touched.outbox = true;
    }

    /// The commit is to ring the journal's signal.
    pub(super) fn touch_journal(&mut self) {
        self.touched.journal = true;
    }

    /// From now on writes may wait, to share a round trip.
    pub(super) fn defer_writes(&mut self) {
        self.deferred.get_or_insert_default();
    }

    /// Runs a statement that answers nothing: now, or with the next that does.
    pub(super) async fn write(&mut self, statement: Statement) -> Result<(), StorageError> {
        match &mut self.deferred {
            Some(deferred) if self.poison.is_none() && statement.is_joinable() => {
                deferred.push(statement);
                Ok(())
            }
            _ => self.execute(statement).await.map(drop),
        }
    }

    /// Runs what has waited, and then the statement, in as few round trips as it can.
    async fn run(&mut self, statement: Statement) -> Result<Outcome, StorageError> {
        let waiting = self.deferred.as_mut().map(std::mem::take).unwrap_or_default();
        let Some(waiting) = waiting.into_iter().reduce(Statement::then) else { return self.run_now(statement).await };
        if statement.is_joinable() {
            return self.run_now(waiting.then(statement)).await;
        }
        self.run_now(waiting).await?;
        self.run_now(statement).await
    }

    async fn run_now(&mut self, statement: Statement) -> Result<Outcome, StorageError> {
        let operation = statement.operation;
        if let Some(kind) = self.poison {
            return Err(StorageError::new(kind, operation, "an earlier statement of this unit of work failed"));
        }
        self.poison = Some(StorageErrorKind::Other);
        let outcome = self.run_in_turn(statement).await;
        self.poison = outcome.as_ref().err().map(|error| error.kind);
        outcome
    }

    async fn run_in_turn(&mut self, statement: Statement) -> Result<Outcome, StorageError> {
        let operation = statement.operation;
        self.take_turn().await?.session(operation)?.run(statement).await
    }

    /// Runs a statement; answers how many rows (the last of) it has changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, StorageError> {
        Ok(self.run(statement).await?.changes)
    }

    /// Runs a statement; answers its rows.
    pub(super) async fn fetch_all<T>(
        &mut self,
        statement: Statement,
        map: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StorageError> {
        let operation = statement.operation;
        let rows = self.run(statement).await?.rows;
        rows.iter().map(map).collect::<Result<_, _>>().map_err(|error| {
            let error = storage_error(operation, error);
            self.poison = Some(error.kind);
            error
        })
    }

    /// Runs a statement; answers its first row.
    pub(super) async fn fetch_optional<T>(
        &mut self,
        statement: Statement,
        map: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
    ) -> Result<Option<T>, StorageError> {
        Ok(self.fetch_all(statement, map).await?.into_iter().next())
    }

    /// Hands the turn on and waits for the commit of the group.
    pub(super) async fn commit(mut self) -> Result<(), CommitError> {
        let waiting = self.deferred.as_mut().map(std::mem::take).unwrap_or_default();
        if let Some(waiting) = waiting.into_iter().reduce(Statement::then) {
            if self.turn.is_none() && self.poison.is_none() {
                return self.writer.write_whole(waiting, self.touched, self.deadline).await;
            }
            self.run_now(waiting).await.map_err(CommitError::RolledBack)?;
        }
        if let Some(kind) = self.poison {
            let reason = "a statement of this unit of work failed";
            return Err(CommitError::RolledBack(StorageError::new(kind, "commit", reason)));
        }
        // Without a turn it has done nothing.
        let Some(mut turn) = self.turn.take() else { return Ok(()) };
        let joined = turn.session("commit").map_err(CommitError::RolledBack)?.join(self.touched);
        drop(turn);
        match joined {
            None => Ok(()),
            Some(verdict) => verdict.await.unwrap_or_else(|_| Err(shut_down())),
        }
    }

    /// Hands the turn on; the writer undoes what was done before anybody else gets the connection. What this unit has read may have been written
    /// by others of its group, whose commit is still to come. Whoever learns how this unit ended could act on that, so it ends after them.
    pub(super) async fn rollback(mut self) {
        let Some(mut turn) = self.turn.take() else { return };
        let others = turn.session("roll back").ok().and_then(Session::watch);
        drop(turn);
        if let Some(others) = others {
            // Should they be rolled back as well, this unit was refused for something that has not come to be: whoever tries again finds out.
            let _ = others.await;
        }
    }

    /// Like [`commit`](Self::commit), for operations that may simply be tried again.
    pub(super) async fn finish(self) -> Result<(), StorageError> {
        self.commit().await.map_err(|error| match error {
            CommitError::RolledBack(error) | CommitError::Unknown(error) => error,
        })
    }
}
