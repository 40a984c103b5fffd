use std::time::Duration;

use activelog_application::ports::{ClaimedLane, StorageError, StorageErrorKind};
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};

use super::{SqliteDatabase, error_mapping::corrupt, outbox::fenced, statement::Statement, write_unit::WriteUnit};

/// Whether the lane of handler `$1` and key `$2` is claimed with epoch `$3`.
macro_rules! is_mine {
    () => {
        "EXISTS (SELECT 1 FROM parked_lanes l WHERE l.handler = $1 AND l.partition_key = $2 AND l.epoch = $3 \
         AND l.claimed_until IS NOT NULL)"
    };
}
pub(super) use is_mine;

/// Binds `$1` to `$3` as in [`is_mine`].
pub(super) fn bind_lane(statement: Statement, lane: &ClaimedLane) -> Statement {
    statement.bind(lane.handler.as_str()).bind(lane.key.as_str()).bind(lane.epoch)
}

/// Fails unless the claim stands.
pub(super) async fn require_mine(
    unit: &mut WriteUnit,
    operation: &'static str,
    lane: &ClaimedLane,
) -> Result<(), StorageError> {
    let select = bind_lane(Statement::new(operation, concat!("SELECT ", is_mine!(), " AS mine")), lane);
    let mine = unit.fetch_optional(select, |row| row.try_get("mine")).await?;
    if mine == Some(true) { Ok(()) } else { Err(fenced(operation)) }
}

/// Who retries which lane.
impl SqliteDatabase {
    /// See [`ParkingStore::claim`](activelog_application::ports::ParkingStore::claim).
    pub(super) async fn claim_lanes(
        &self,
        handlers: &[&str],
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        const OPERATION: &str = "claim lanes";
        let until = now.checked_add(lease);
        let until = until.map_err(|error| StorageError::new(StorageErrorKind::Other, OPERATION, error))?;
        let handlers = distinct(handlers);
        let due = |head: &'static str, tail: &'static str| {
            let statement = due(OPERATION, head, handlers.len(), tail).bind_time(now).bind(limit).bind_time(until);
            handlers.iter().fold(statement, |statement, handler| statement.bind(*handler))
        };
        // A look that finds nothing, as nearly all do, writes nothing.
        if handlers.is_empty() || self.fetch(due("", ""), |_| Ok(())).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut unit = self.inner.writer.begin_now().await?;
        let claim = due(
            "UPDATE lane_epochs SET last = last + 1; \
             UPDATE parked_lanes SET epoch = (SELECT last FROM lane_epochs), claimed_until = $3 \
             WHERE (handler, partition_key) IN (SELECT handler, partition_key FROM (",
            ")) RETURNING handler, partition_key, epoch, due_at",
        );
        let mut claimed: Vec<(i64, ClaimedLane)> =
            unit.fetch_all(claim, |row| Ok((row.try_get("due_at")?, lane(row)?))).await?;
        unit.finish().await?;
        claimed.sort_by(|(a, x), (b, y)| (a, &x.handler, &x.key).cmp(&(b, &y.handler, &y.key)));
        Ok(claimed.into_iter().map(|(_, lane)| lane).collect())
    }

    /// See [`ParkingStore::renew`](activelog_application::ports::ParkingStore::renew).
    pub(super) async fn renew_lanes(
        &self,
        lanes: &[ClaimedLane],
        until: Timestamp,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        const OPERATION: &str = "renew claims";
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let given: Vec<_> = lanes.iter().map(|lane| (&lane.handler, &lane.key, lane.epoch)).collect();
        let given = serde_json::to_string(&given)
            .map_err(|error| StorageError::new(StorageErrorKind::Other, OPERATION, error))?;
        let renew = Statement::new(
            OPERATION,
            "UPDATE parked_lanes SET claimed_until = ? WHERE claimed_until IS NOT NULL \
             AND (handler, partition_key, epoch) IN (SELECT g.value ->> 0, g.value ->> 1, g.value ->> 2 FROM json_each(?) g) \
             RETURNING handler, partition_key, epoch",
        );
        let mut unit = self.inner.writer.begin_now().await?;
        let renewed = unit.fetch_all(renew.bind_time(until).bind(given), lane).await?;
        unit.finish().await?;
        Ok(renewed)
    }

    /// See [`ParkingStore::release`](activelog_application::ports::ParkingStore::release).
    pub(super) async fn release_lane(&self, lane: &ClaimedLane) -> Result<(), StorageError> {
        let release = Statement::new(
            "release lane",
            "UPDATE parked_lanes SET claimed_until = NULL WHERE handler = ? AND partition_key = ? AND epoch = ?",
        );
        let mut unit = self.inner.writer.begin_now().await?;
        unit.execute(bind_lane(release, lane)).await?;
        unit.finish().await
    }

    /// See [`ParkingStore::next_due`](activelog_application::ports::ParkingStore::next_due).
    pub(super) async fn next_due_lane(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError> {
        const OPERATION: &str = "look for the next due lane";
        let handlers = serde_json::to_string(handlers)
            .map_err(|error| StorageError::new(StorageErrorKind::Other, OPERATION, error))?;
        // Lanes that nobody has by the index, of which only those that somebody has are passed over.
        let select = Statement::new(
            OPERATION,
            "SELECT min(at) AS at FROM (SELECT h.value AS handler, \
             (SELECT l.due_at FROM parked_lanes l WHERE l.handler = h.value AND l.holders = 0 AND l.claimed_until IS NULL \
             ORDER BY l.due_at LIMIT 1) AS at FROM json_each($1) h UNION ALL SELECT h.value, \
             (SELECT min(max(l.due_at, l.claimed_until)) FROM parked_lanes l \
             WHERE l.handler = h.value AND l.holders = 0 AND l.claimed_until IS NOT NULL) FROM json_each($1) h) n \
             WHERE NOT EXISTS (SELECT 1 FROM handler_replays r WHERE r.handler = n.handler)",
        );
        let at: Option<Option<i64>> = self.fetch_optional(select.bind(handlers), |row| row.try_get("at")).await?;
        at.flatten().map(Timestamp::from_microsecond).transpose().map_err(|error| corrupt(OPERATION, error))
    }
}

/// `head`, then the lanes of the handlers `$4` and on that are due at `$1`, the oldest `$2` of them, then `tail`. The oldest of each handler
/// come from the index, however many are parked.
fn due(operation: &'static str, head: &'static str, handlers: usize, tail: &'static str) -> Statement {
    let mut sql = format!("{head}SELECT handler, partition_key, due_at FROM (");
    for index in 0..handlers {
        let union = if index == 0 { "" } else { " UNION ALL " };
        let value = index + 4;
        sql.push_str(&format!(
            "{union}SELECT * FROM (SELECT l.handler, l.partition_key, l.due_at FROM parked_lanes l \
             WHERE l.handler = ${value} AND l.holders = 0 AND l.due_at <= $1 \
             AND (l.claimed_until IS NULL OR l.claimed_until <= $1) \
             AND NOT EXISTS (SELECT 1 FROM handler_replays r WHERE r.handler = ${value}) ORDER BY l.due_at LIMIT $2)"
        ));
    }
    sql.push_str(") ORDER BY due_at LIMIT $2");
    sql.push_str(tail);
    Statement::composed(operation, sql)
}

/// Each handler once.
fn distinct<'h>(handlers: &[&'h str]) -> Vec<&'h str> {
    let mut handlers = handlers.to_vec();
    handlers.sort_unstable();
    handlers.dedup();
    handlers
}

fn lane(row: &SqliteRow) -> Result<ClaimedLane, sqlx::Error> {
    Ok(ClaimedLane {
        handler: row.try_get("handler")?,
        key: row.try_get("partition_key")?,
        epoch: row.try_get("epoch")?,
    })
}
