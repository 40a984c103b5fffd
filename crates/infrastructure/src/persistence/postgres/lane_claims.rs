use std::time::Duration;

use activelog_application::ports::{ClaimedLane, StorageError, StorageErrorKind};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{
    database::PgDatabase,
    rows::Columns,
    session::{PgQuery, planned_anew},
};

/// Claims up to `$4` lanes of handlers `$1` that are due at `$2`, until `$3`. The oldest of each handler come from the index, however many are
/// parked; those that others are about to claim, or take events off, are passed over.
const CLAIM: &str = "WITH due AS MATERIALIZED (SELECT c.* FROM unnest($1::text[]) AS h (handler) CROSS JOIN LATERAL \
     (SELECT l.handler, l.partition_key, l.due_at FROM parked_lanes AS l WHERE l.handler = h.handler AND l.holders = 0 \
     AND l.due_at <= $2 AND (l.claimed_until IS NULL OR l.claimed_until <= $2) \
     ORDER BY l.due_at LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED) AS c \
     WHERE NOT EXISTS (SELECT FROM handler_replays AS r WHERE r.handler = h.handler) ORDER BY c.due_at LIMIT $4), \
     claimed AS (UPDATE parked_lanes AS l SET epoch = nextval('lane_epochs'), claimed_until = $3 FROM due \
     WHERE l.handler = due.handler AND l.partition_key = due.partition_key \
     RETURNING l.handler, l.partition_key, l.epoch, due.due_at) \
     SELECT handler, partition_key, epoch FROM claimed ORDER BY due_at, handler, partition_key";

/// Extends the claims on the lanes `$1`, `$2` with the epochs `$3` to `$4`, and answers which are still held. A lane that an event is being
/// taken off cannot be claimed by others, so its claim is not extended: that would have to wait for the handler.
const RENEW: &str = "WITH mine AS MATERIALIZED (SELECT l.handler, l.partition_key FROM parked_lanes AS l \
     JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS given (handler, partition_key, epoch) USING (handler, partition_key, epoch) \
     WHERE l.claimed_until IS NOT NULL FOR NO KEY UPDATE OF l SKIP LOCKED), \
     renewed AS (UPDATE parked_lanes AS l SET claimed_until = $4 FROM mine \
     WHERE l.handler = mine.handler AND l.partition_key = mine.partition_key) \
     SELECT handler, partition_key, epoch FROM parked_lanes AS l \
     JOIN unnest($1::text[], $2::text[], $3::bigint[]) AS given (handler, partition_key, epoch) USING (handler, partition_key, epoch) \
     WHERE l.claimed_until IS NOT NULL";

/// When lanes of handlers `$1` can be claimed: those that nobody has by the index, of which only those that somebody has are passed over.
const NEXT_DUE: &str = "SELECT min(next.at) FROM unnest($1::text[]) AS h (handler) CROSS JOIN LATERAL \
     ((SELECT l.due_at AS at FROM parked_lanes AS l WHERE l.handler = h.handler AND l.holders = 0 AND l.claimed_until IS NULL \
     ORDER BY l.due_at LIMIT 1) UNION ALL \
     (SELECT min(greatest(l.due_at, l.claimed_until)) FROM parked_lanes AS l \
     WHERE l.handler = h.handler AND l.holders = 0 AND l.claimed_until IS NOT NULL)) AS next \
     WHERE NOT EXISTS (SELECT FROM handler_replays AS r WHERE r.handler = h.handler)";

/// Who retries which lane.
impl PgDatabase {
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
        let query = planned_anew(CLAIM)
            .bind(distinct(handlers))
            .bind(now.to_sqlx())
            .bind(until.to_sqlx())
            .bind(i64::from(limit));
        self.lanes(OPERATION, query).await
    }

    /// See [`ParkingStore::renew`](activelog_application::ports::ParkingStore::renew).
    pub(super) async fn renew_lanes(
        &self,
        lanes: &[ClaimedLane],
        until: Timestamp,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let query = planned_anew(RENEW)
            .bind(lanes.iter().map(|lane| lane.handler.as_str()).collect::<Vec<_>>())
            .bind(lanes.iter().map(|lane| lane.key.as_str()).collect::<Vec<_>>())
            .bind(lanes.iter().map(|lane| lane.epoch).collect::<Vec<_>>())
            .bind(until.to_sqlx());
        self.lanes("renew claims", query).await
    }

    /// See [`ParkingStore::release`](activelog_application::ports::ParkingStore::release).
    pub(super) async fn release_lane(&self, lane: &ClaimedLane) -> Result<(), StorageError> {
        const OPERATION: &str = "release lane";
        let query = sqlx::query(
            "UPDATE parked_lanes SET claimed_until = NULL WHERE handler = $1 AND partition_key = $2 AND epoch = $3",
        );
        let query = query.bind(lane.handler.as_str()).bind(lane.key.as_str()).bind(lane.epoch);
        self.system(OPERATION).await?.execute(OPERATION, query).await.map(drop)
    }

    /// See [`ParkingStore::next_due`](activelog_application::ports::ParkingStore::next_due).
    pub(super) async fn next_due_lane(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError> {
        const OPERATION: &str = "look for the next due lane";
        let query = planned_anew(NEXT_DUE).bind(distinct(handlers));
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        Columns::of(&row, OPERATION).instant_or_null()
    }

    async fn lanes(&self, operation: &'static str, query: PgQuery) -> Result<Vec<ClaimedLane>, StorageError> {
        let rows = self.system(operation).await?.rows(operation, query).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row, operation);
                Ok(ClaimedLane { handler: columns.take()?, key: columns.take()?, epoch: columns.take()? })
            })
            .collect()
    }
}

/// Each handler once: a statement may touch a lane only once.
fn distinct(handlers: &[&str]) -> Vec<String> {
    let mut handlers: Vec<String> = handlers.iter().map(|handler| (*handler).to_owned()).collect();
    handlers.sort_unstable();
    handlers.dedup();
    handlers
}
