use activelog_application::ports::{CommitError, StorageError, StorageErrorKind};
use sqlx::sqlite::SqliteRow;

use super::{error_mapping::storage_error, session::Outcome, statement::Statement, writer::Turn};

/// A unit of work on the write connection. Dropping it rolls back what it has done, and only that.
pub(super) struct WriteUnit {
    turn: Turn,
    /// Set while a statement is under way and left so when it fails or is given up.
    poison: Option<StorageErrorKind>,
    outbox: bool,
    journal: bool,
    /// Writes that wait for the next statement that answers something, or for the commit. `None` while writes run at once.
    deferred: Option<Vec<Statement>>,
}

impl WriteUnit {
    pub(super) fn new(turn: Turn) -> Self {
        Self { turn, poison: None, outbox: false, journal: false, deferred: None }
    }

    /// The commit is to ring the outbox's signal.
    pub(super) fn touch_outbox(&mut self) {
        self.outbox = true;
    }

    /// The commit is to ring the journal's signal.
    pub(super) fn touch_journal(&mut self) {
        self.journal = true;
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
        let outcome = self.turn.session(operation)?.run(statement).await;
        self.poison = outcome.as_ref().err().map(|error| error.kind);
        outcome
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
            self.run_now(waiting).await.map_err(CommitError::RolledBack)?;
        }
        if let Some(kind) = self.poison {
            let reason = "a statement of this unit of work failed";
            return Err(CommitError::RolledBack(StorageError::new(kind, "commit", reason)));
        }
        let (outbox, journal) = (self.outbox, self.journal);
        let joined = self.turn.session("commit").map_err(CommitError::RolledBack)?.join(outbox, journal);
        drop(self);
        match joined {
            None => Ok(()),
            Some(verdict) => verdict.await.unwrap_or_else(|_| {
                let reason = "the runtime shut down before the commit was answered";
                Err(CommitError::Unknown(StorageError::new(StorageErrorKind::Unavailable, "commit", reason)))
            }),
        }
    }

    /// Like [`commit`](Self::commit), for operations that may simply be tried again.
    pub(super) async fn finish(self) -> Result<(), StorageError> {
        self.commit().await.map_err(|error| match error {
            CommitError::RolledBack(error) | CommitError::Unknown(error) => error,
        })
    }
}
