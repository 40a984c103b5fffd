use activelog_application::ports::{ClaimedLane, Clock, Parking, StorageError};
use async_trait::async_trait;

use super::{parked_lanes::is_mine, statement::Statement, write_unit::WriteUnit};

/// The transactional side of parking, in a unit of work. Nobody else writes until that has ended, so nobody claims the lane.
pub(super) struct SqliteParking<'a> {
    pub(super) unit: &'a mut WriteUnit,
    pub(super) clock: &'a dyn Clock,
}

/// Takes the event at place `$4` off the lane of handler `$1` and key `$2`, if it still has epoch `$3`, at `$5`. What is taken is in the
/// inbox, also when it was parked so long ago that it is not there any more.
const TAKE: &str = concat!(
    "INSERT INTO inbox (handler, event_id, taken_at) SELECT p.handler, p.event_id, $5 FROM parked p \
     WHERE p.place = $4 AND p.handler = $1 AND p.partition_key = $2 AND ",
    is_mine!(),
    " ON CONFLICT DO UPDATE SET taken_at = excluded.taken_at; \
     UPDATE dead_letters SET state = 'replayed', changed_at = $5 WHERE handler = $1 AND state = 'replaying' \
     AND event_id = (SELECT p.event_id FROM parked p WHERE p.place = $4 AND p.handler = $1 AND p.partition_key = $2) AND ",
    is_mine!(),
    "; DELETE FROM parked WHERE place = $4 AND handler = $1 AND partition_key = $2 AND ",
    is_mine!()
);

#[async_trait]
impl Parking for SqliteParking<'_> {
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError> {
        let take = Statement::new("take parked event", TAKE)
            .bind(lane.handler.as_str())
            .bind(lane.key.as_str())
            .bind(lane.epoch)
            .bind(place)
            .bind_time(self.clock.now());
        Ok(self.unit.execute(take).await? == 1)
    }
}
