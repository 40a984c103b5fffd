use activelog_application::ports::{ClaimedLane, Parking, StorageError};
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;

use super::{rows::Columns, session::planned_anew, unit_of_work::PgUnitOfWork};

/// The transactional side of parking on PostgreSQL.
pub(super) struct PgParking<'u>(pub(super) &'u mut PgUnitOfWork);

/// Takes the event at place `$4` off the lane of handler `$1` and key `$2`, if it still has epoch `$3`.
///
/// - The lock on the lane's row keeps others from claiming it until the transaction has ended. It does not keep events from being parked
///   behind.
/// - What is taken is in the inbox, also when it was parked so long ago that it is not there any more.
/// - That it writes to the inbox is also what makes the beginning of a replay wait for it. A claim may slip past that beginning, so it counts
///   for nothing while the handler's events are being replayed.
const TAKE: &str = "WITH lane AS MATERIALIZED (SELECT FROM parked_lanes \
     WHERE handler = $1 AND partition_key = $2 AND epoch = $3 AND claimed_until IS NOT NULL \
     AND NOT EXISTS (SELECT FROM handler_replays WHERE handler = $1) FOR SHARE), \
     gone AS (DELETE FROM parked WHERE place = $4 AND handler = $1 AND partition_key = $2 AND EXISTS (SELECT FROM lane) \
     RETURNING event_id), \
     taken AS (INSERT INTO inbox (handler, event_id, taken_at) SELECT $1, event_id, $5 FROM gone \
     ON CONFLICT (handler, event_id) DO UPDATE SET taken_at = EXCLUDED.taken_at), \
     replayed AS (UPDATE dead_letters AS d SET state = 'replayed', changed_at = $5 FROM gone \
     WHERE d.handler = $1 AND d.event_id = gone.event_id AND d.state = 'replaying') \
     SELECT count(*) FROM gone";

#[async_trait]
impl Parking for PgParking<'_> {
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError> {
        const OPERATION: &str = "take parked event";
        let query = planned_anew(TAKE)
            .bind(lane.handler.as_str())
            .bind(lane.key.as_str())
            .bind(lane.epoch)
            .bind(place)
            .bind(self.0.shared.clock.now().to_sqlx());
        let row = self.0.session.one(OPERATION, query).await?;
        Ok(Columns::of(&row, OPERATION).unsigned()? == 1)
    }
}
