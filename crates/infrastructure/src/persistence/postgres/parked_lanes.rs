use std::time::Duration;

use activelog_application::ports::{Isolation, StorageError, StorageErrorKind, TransactionOptions};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::SqlSafeStr;

use super::{
    database::PgDatabase,
    error::storage_error,
    rows::Columns,
    session::{Session, planned_anew},
};

// How lanes are kept from changing under those who use them, at READ COMMITTED:
//
// - Who puts an event into a lane locks its row FOR KEY SHARE, which keeps it from being removed and nothing else.
// - Who removes a lane locks its row FOR UPDATE first, and looks whether it is empty in a statement after that, which then sees
//   what those have put in who had the lock before.
// - Who takes an event off a lane locks its row FOR SHARE, so that nobody claims it meanwhile.

/// A transaction outside of a unit of work. One that freezes in the middle of it must not hold up the others for long: the server ends it.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
     SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = '10s'";

/// How often a lane may be removed between the attempt to make it and the attempt to lock it.
const ATTEMPTS: usize = 10;

/// How long a store waits for what it does in place of a handler.
const PATIENCE: Duration = Duration::from_secs(15);

impl PgDatabase {
    /// Begins a transaction that writes down what became of an event, in place of a handler's: on a connection for units of work, as it may
    /// wait for one that takes the same event, and must not keep the relay waiting meanwhile.
    pub(super) async fn work_transaction(&self) -> Result<Session, StorageError> {
        let options = TransactionOptions::new(Isolation::ReadCommitted, PATIENCE);
        self.begin_work(options).await.map(|unit| unit.session)
    }

    /// Begins a transaction on a connection for the toolkit.
    pub(super) async fn system_transaction(&self, operation: &'static str) -> Result<Session, StorageError> {
        let mut session = self.system(operation).await?;
        session.begin(BEGIN.into_sql_str()).await?;
        Ok(session)
    }
}

/// Commits what may simply be tried again when the answer is lost.
pub(super) async fn commit(mut session: Session, operation: &'static str) -> Result<(), StorageError> {
    session.commit().await.map_err(|error| storage_error(operation, error))
}

/// Makes sure that the lane is there, due at `due` if it is new, and stays until the transaction ends.
pub(super) async fn keep_lane(
    session: &mut Session,
    operation: &'static str,
    handler: &str,
    key: &str,
    due: Timestamp,
) -> Result<(), StorageError> {
    for _ in 0..ATTEMPTS {
        let insert = sqlx::query(
            "INSERT INTO parked_lanes (handler, partition_key, due_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        );
        session.execute(operation, insert.bind(handler).bind(key).bind(due.to_sqlx())).await?;
        let lock = sqlx::query("SELECT 1 FROM parked_lanes WHERE handler = $1 AND partition_key = $2 FOR KEY SHARE");
        if session.row(operation, lock.bind(handler).bind(key)).await?.is_some() {
            return Ok(());
        }
        // It was there, and was then removed.
    }
    Err(StorageError::new(StorageErrorKind::Contention, operation, "the lane appears and disappears"))
}

/// Removes the lane, whose row this transaction has locked FOR UPDATE, if nothing is parked in it and nobody waits for it. Must be a
/// statement after the lock.
pub(super) async fn remove_if_idle(
    session: &mut Session,
    operation: &'static str,
    handler: &str,
    key: &str,
) -> Result<(), StorageError> {
    let delete = planned_anew(
        "DELETE FROM parked_lanes WHERE handler = $1 AND partition_key = $2 AND holders = 0 AND claimed_until IS NULL \
         AND NOT EXISTS (SELECT FROM parked WHERE handler = $1 AND partition_key = $2)",
    );
    session.execute(operation, delete.bind(handler).bind(key)).await.map(drop)
}

/// Locks the lane's row FOR UPDATE, if it is there. Answers how many dead letters it waits for.
pub(super) async fn lock_lane(
    session: &mut Session,
    operation: &'static str,
    handler: &str,
    key: &str,
) -> Result<Option<i32>, StorageError> {
    let lock = sqlx::query("SELECT holders FROM parked_lanes WHERE handler = $1 AND partition_key = $2 FOR UPDATE");
    let row = session.row(operation, lock.bind(handler).bind(key)).await?;
    row.map(|row| Columns::of(&row, operation).take()).transpose()
}
