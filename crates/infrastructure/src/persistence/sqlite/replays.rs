use activelog_application::ports::{JournalCursor, Replay, ReplayProgress, Replays, StorageError, StorageErrorKind};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    SqliteDatabase,
    error_mapping::corrupt,
    rows::{invalid, optional_time, time},
    statement::Statement,
};

/// Begins a replay of handler `$1` at `$2`, from `$3` to `$4`, unless there is one. Lanes of the handler that somebody retries are taken from
/// him. Nobody else is writing: every transaction before has ended.
const BEGIN: &str = "INSERT INTO handler_replays (handler, began_at, from_at, to_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING; \
     UPDATE lane_epochs SET last = last + 1; \
     UPDATE parked_lanes SET epoch = (SELECT last FROM lane_epochs), claimed_until = NULL \
     WHERE handler = $1 AND claimed_until IS NOT NULL; \
     SELECT handler, began_at, from_at, to_at, cursor FROM handler_replays WHERE handler = $1";

#[async_trait]
impl Replays for SqliteDatabase {
    async fn begin(
        &self,
        handler: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Replay, StorageError> {
        const OPERATION: &str = "begin replay";
        let begin = Statement::new(OPERATION, BEGIN)
            .bind(handler)
            .bind_time(self.inner.clock.now())
            .bind(from.map(Timestamp::as_microsecond))
            .bind(to.map(Timestamp::as_microsecond));
        let mut unit = self.inner.writer.begin_now().await?;
        let begun = unit.fetch_optional(begin, replay).await?;
        unit.finish().await?;
        begun.ok_or_else(|| corrupt(OPERATION, "the replay is not there"))
    }

    async fn advance(&self, handler: &str, progress: &ReplayProgress) -> Result<(), StorageError> {
        const OPERATION: &str = "advance replay";
        let cursor = match progress {
            ReplayProgress::Clearing => None,
            ReplayProgress::Reading(cursor) => Some(
                serde_json::to_string(&cursor.0)
                    .map_err(|error| StorageError::new(StorageErrorKind::Other, OPERATION, error))?,
            ),
        };
        let advance = Statement::new(OPERATION, "UPDATE handler_replays SET cursor = ? WHERE handler = ?");
        let mut unit = self.inner.writer.begin_now().await?;
        unit.execute(advance.bind(cursor).bind(handler)).await?;
        unit.finish().await
    }

    async fn end(&self, handler: &str) -> Result<(), StorageError> {
        let end = Statement::new(
            "end replay",
            "UPDATE parked_lanes SET due_at = $2 WHERE handler = $1 AND due_at > $2 \
             AND EXISTS (SELECT 1 FROM handler_replays WHERE handler = $1); \
             DELETE FROM handler_replays WHERE handler = $1",
        );
        let mut unit = self.inner.writer.begin_now().await?;
        unit.execute(end.bind(handler).bind_time(self.inner.clock.now())).await?;
        unit.finish().await
    }

    async fn list(&self) -> Result<Vec<Replay>, StorageError> {
        let select = Statement::new(
            "list replays",
            "SELECT handler, began_at, from_at, to_at, cursor FROM handler_replays ORDER BY handler",
        );
        self.fetch(select, replay).await
    }
}

/// Reads a replay. Partitions beyond those this program knows are left out.
fn replay(row: &SqliteRow) -> Result<Replay, sqlx::Error> {
    let progress = match row.try_get::<Option<&str>, _>("cursor")? {
        None => ReplayProgress::Clearing,
        Some(positions) => {
            let positions: Vec<u64> = serde_json::from_str(positions).map_err(invalid)?;
            let mut cursor = JournalCursor::default();
            cursor.0.iter_mut().zip(positions).for_each(|(slot, position)| *slot = position);
            ReplayProgress::Reading(cursor)
        }
    };
    Ok(Replay {
        handler: row.try_get("handler")?,
        began_at: time(row, "began_at")?,
        from: optional_time(row, "from_at")?,
        to: optional_time(row, "to_at")?,
        progress,
    })
}
