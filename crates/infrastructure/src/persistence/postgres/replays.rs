use std::time::Duration;

use activelog_application::ports::{JournalCursor, Replay, ReplayProgress, Replays, StorageError, StorageErrorKind};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{postgres::PgRow, types::Json};
use tokio::time::Instant;

use super::{database::PgDatabase, rows::Columns};

const BEGIN: &str = "begin replay";

/// How long the beginning waits for handlers at work, and how often it looks whether they still are.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// The transactions that write to the inbox.
///
/// Who takes an event, delivered or parked, gets this lock on the table before its statement looks at what is there, and keeps it until its
/// end. So those that may not have seen a replay, which was committed before, are among these; no later one is of interest.
const AT_WORK: &str = "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = 'inbox'::regclass \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND mode = 'RowExclusiveLock' AND granted";

#[async_trait]
impl Replays for PgDatabase {
    async fn begin(
        &self,
        handler: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Replay, StorageError> {
        let insert = sqlx::query(
            "INSERT INTO handler_replays (handler, began_at, from_at, to_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        );
        let insert = insert
            .bind(handler)
            .bind(self.shared.clock.now().to_sqlx())
            .bind(from.map(ToSqlx::to_sqlx))
            .bind(to.map(ToSqlx::to_sqlx));
        self.system(BEGIN).await?.execute(BEGIN, insert).await?;
        // One that was interrupted while it waited goes on waiting.
        self.wait_for_handlers().await?;
        let fence = sqlx::query(
            "UPDATE parked_lanes SET epoch = nextval('lane_epochs'), claimed_until = NULL \
             WHERE handler = $1 AND claimed_until IS NOT NULL",
        );
        self.system(BEGIN).await?.execute(BEGIN, fence.bind(handler)).await?;
        let select =
            sqlx::query("SELECT handler, began_at, from_at, to_at, cursor FROM handler_replays WHERE handler = $1");
        let row = self.system(BEGIN).await?.row(BEGIN, select.bind(handler)).await?;
        let row =
            row.ok_or_else(|| StorageError::new(StorageErrorKind::Contention, BEGIN, "it was ended by another"))?;
        replay(&row, BEGIN)
    }

    async fn advance(&self, handler: &str, progress: &ReplayProgress) -> Result<(), StorageError> {
        const OPERATION: &str = "advance replay";
        let cursor = match progress {
            ReplayProgress::Clearing => None,
            ReplayProgress::Reading(cursor) => Some(Json(cursor.0)),
        };
        let query = sqlx::query("UPDATE handler_replays SET cursor = $2 WHERE handler = $1").bind(handler).bind(cursor);
        self.system(OPERATION).await?.execute(OPERATION, query).await.map(drop)
    }

    async fn end(&self, handler: &str) -> Result<(), StorageError> {
        const OPERATION: &str = "end replay";
        let query = sqlx::query(
            "WITH ended AS (DELETE FROM handler_replays WHERE handler = $1 RETURNING handler) \
             UPDATE parked_lanes AS l SET due_at = $2 FROM ended WHERE l.handler = ended.handler AND l.due_at > $2",
        );
        let query = query.bind(handler).bind(self.shared.clock.now().to_sqlx());
        self.system(OPERATION).await?.execute(OPERATION, query).await.map(drop)
    }

    async fn list(&self) -> Result<Vec<Replay>, StorageError> {
        const OPERATION: &str = "list replays";
        let query =
            sqlx::query("SELECT handler, began_at, from_at, to_at, cursor FROM handler_replays ORDER BY handler");
        let rows = self.system(OPERATION).await?.rows(OPERATION, query).await?;
        rows.iter().map(|row| replay(row, OPERATION)).collect()
    }
}

impl PgDatabase {
    /// Waits for the end of every transaction that writes to the inbox now, and keeps nobody else from beginning one.
    async fn wait_for_handlers(&self) -> Result<(), StorageError> {
        let deadline = Instant::now() + PATIENCE;
        let mut awaited = self.at_work().await?;
        while !awaited.is_empty() {
            if Instant::now() >= deadline {
                let reason = "a handler is still at work; begin again to go on waiting for it";
                return Err(StorageError::new(StorageErrorKind::Unavailable, BEGIN, reason));
            }
            tokio::time::sleep(LOOK).await;
            let still = self.at_work().await?;
            awaited.retain(|transaction| still.contains(transaction));
        }
        Ok(())
    }

    async fn at_work(&self) -> Result<Vec<String>, StorageError> {
        let rows = self.system(BEGIN).await?.rows(BEGIN, sqlx::query(AT_WORK)).await?;
        rows.iter().map(|row| Columns::of(row, BEGIN).take()).collect()
    }
}

/// The replay in a row of handler, began_at, from_at, to_at, cursor. Partitions beyond those this program knows are left out.
fn replay(row: &PgRow, operation: &'static str) -> Result<Replay, StorageError> {
    let mut columns = Columns::of(row, operation);
    let handler = columns.take()?;
    let began_at = columns.instant()?;
    let (from, to) = (columns.instant_or_null()?, columns.instant_or_null()?);
    let progress = match columns.take::<Option<Json<Vec<u64>>>>()? {
        None => ReplayProgress::Clearing,
        Some(Json(positions)) => {
            let mut cursor = JournalCursor::default();
            cursor.0.iter_mut().zip(positions).for_each(|(slot, position)| *slot = position);
            ReplayProgress::Reading(cursor)
        }
    };
    Ok(Replay { handler, began_at, from, to, progress })
}
