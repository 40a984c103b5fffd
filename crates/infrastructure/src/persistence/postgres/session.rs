use std::time::Duration;

use activelog_application::ports::{StorageError, StorageErrorKind};
use sqlx::{
    Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgPool, PgRow},
    query::Query,
};

use super::error::{breaks_connection, storage_error};

/// A statement with its parameters.
pub(super) type PgQuery = Query<'static, Postgres, PgArguments>;

/// A statement that is planned each time it runs, for tables that are empty for weeks and then hold a hundred thousand rows: a plan that was
/// kept from before would be one for an empty table.
pub(super) fn planned_anew(sql: &'static str) -> PgQuery {
    sqlx::query(sql).persistent(false)
}

/// How long the ROLLBACK of a dropped transaction may take before its connection is closed instead.
const ROLLBACK_LIMIT: Duration = Duration::from_secs(5);

/// A pooled connection, with or without a transaction, that is clean when the pool gets it back:
///
/// - every statement is bounded in time, also when the server no longer answers;
/// - after a failed, timed out or abandoned statement every later one fails with the first one's kind;
/// - dropped in a transaction it rolls back; dropped within a statement it closes the connection, and the server rolls back.
pub(super) struct Session {
    /// `None` only once dropped.
    connection: Option<PoolConnection<Postgres>>,
    limit: Duration,
    in_transaction: bool,
    /// An answer is outstanding, or the connection is broken: it cannot be used again.
    unusable: bool,
    failed: Option<StorageErrorKind>,
}

impl Session {
    /// Takes a connection from the pool; each statement on it may take up to `limit`.
    pub(super) async fn open(pool: &PgPool, limit: Duration, operation: &'static str) -> Result<Self, StorageError> {
        let connection = pool.acquire().await.map_err(|error| storage_error(operation, error))?;
        Ok(Self { connection: Some(connection), limit, in_transaction: false, unusable: false, failed: None })
    }

    /// Begins a transaction with this statement.
    pub(super) async fn begin(&mut self, statement: sqlx::SqlStr) -> Result<(), StorageError> {
        self.in_transaction = true;
        self.control("begin transaction", statement).await.map_err(|error| self.refused("begin transaction", error))
    }

    /// Ends the transaction with COMMIT. The driver's error tells whether the outcome is known.
    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.control("commit", sqlx::SqlSafeStr::into_sql_str("COMMIT")).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Ends the transaction with ROLLBACK. Should that fail, dropping the session closes the connection.
    pub(super) async fn rollback(&mut self) {
        if self.in_transaction && !self.unusable {
            match self.control("rollback", sqlx::SqlSafeStr::into_sql_str("ROLLBACK")).await {
                Ok(()) => self.in_transaction = false,
                Err(_) => self.unusable = true,
            }
        }
    }

    /// The kind of the first failure, if there was one.
    pub(super) fn failure(&self) -> Option<StorageErrorKind> {
        self.failed
    }

    /// Whether the connection cannot be used again.
    pub(super) fn is_unusable(&self) -> bool {
        self.unusable
    }

    /// Runs a statement and answers how many rows it touched.
    pub(super) async fn execute(
        &mut self,
        operation: &'static str,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<u64, StorageError> {
        let (connection, limit) = self.start(operation)?;
        let result = bounded(limit, query.execute(&mut **connection)).await;
        self.settle(operation, result.map(|done| done.rows_affected()))
    }

    /// Runs a statement and answers its first row, if any.
    pub(super) async fn row(
        &mut self,
        operation: &'static str,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>, StorageError> {
        let (connection, limit) = self.start(operation)?;
        let result = bounded(limit, query.fetch_optional(&mut **connection)).await;
        self.settle(operation, result)
    }

    /// Runs a statement that always answers a row.
    pub(super) async fn one(
        &mut self,
        operation: &'static str,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<PgRow, StorageError> {
        let (connection, limit) = self.start(operation)?;
        let result = bounded(limit, query.fetch_one(&mut **connection)).await;
        self.settle(operation, result)
    }

    /// Runs a statement and answers its rows.
    pub(super) async fn rows(
        &mut self,
        operation: &'static str,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, StorageError> {
        let (connection, limit) = self.start(operation)?;
        let result = bounded(limit, query.fetch_all(&mut **connection)).await;
        self.settle(operation, result)
    }

    /// Runs BEGIN, COMMIT or ROLLBACK, also in a transaction that has failed.
    async fn control(&mut self, operation: &'static str, statement: sqlx::SqlStr) -> Result<(), sqlx::Error> {
        let limit = self.limit.max(ROLLBACK_LIMIT);
        let Some(connection) = self.connection.as_mut() else { return Err(sqlx::Error::PoolClosed) };
        self.unusable = true;
        let result = bounded(limit, sqlx::raw_sql(statement).execute(&mut **connection)).await;
        if let Err(error) = &result {
            tracing::debug!(operation, %error, "transaction control failed");
        }
        self.unusable = result.as_ref().is_err_and(breaks_connection);
        result.map(|_| ())
    }

    /// Marks a statement as under way; until [`settle`](Self::settle) has seen its answer the connection is unusable, which is what a
    /// dropped future leaves behind.
    fn start(&mut self, operation: &'static str) -> Result<(&mut PoolConnection<Postgres>, Duration), StorageError> {
        if let Some(kind) = self.failed {
            return Err(StorageError::new(kind, operation, "an earlier statement of this transaction has failed"));
        }
        match self.connection.as_mut() {
            Some(connection) if !self.unusable => {
                self.unusable = true;
                Ok((connection, self.limit))
            }
            _ => Err(StorageError::new(
                StorageErrorKind::Unavailable,
                operation,
                "an earlier statement of this transaction was abandoned",
            )),
        }
    }

    fn settle<T>(&mut self, operation: &'static str, result: Result<T, sqlx::Error>) -> Result<T, StorageError> {
        match result {
            Ok(value) => {
                self.unusable = false;
                Ok(value)
            }
            Err(error) => {
                self.unusable = breaks_connection(&error);
                Err(self.refused(operation, error))
            }
        }
    }

    fn refused(&mut self, operation: &'static str, error: sqlx::Error) -> StorageError {
        let error = storage_error(operation, error);
        self.failed.get_or_insert(error.kind);
        error
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.unusable {
            connection.close_on_drop();
        } else if self.in_transaction {
            // The pool would get a connection with an open transaction: end it first, elsewhere.
            tokio::spawn(async move {
                let statement = sqlx::raw_sql("ROLLBACK").execute(&mut *connection);
                if bounded(ROLLBACK_LIMIT, statement).await.is_err() {
                    connection.close_on_drop();
                }
            });
        }
    }
}

/// The statement's result, or an I/O error once `limit` has passed: a server that no longer answers is as good as gone.
async fn bounded<T>(
    limit: Duration,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(limit, statement).await {
        Ok(result) => result,
        Err(_) => {
            Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the server did not answer in time")))
        }
    }
}
