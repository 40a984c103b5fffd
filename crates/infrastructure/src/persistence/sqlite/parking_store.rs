use std::time::Duration;

use activelog_application::ports::{
    Addressed, AfterDeadLetter, ClaimedLane, DeathReason, Failures, Listed, ParkedEvent, ParkedFilter, ParkingDepth,
    ParkingStore, StorageError,
};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row;

use super::{
    SqliteDatabase,
    burial::{Parked, bury_parked},
    error_mapping::corrupt,
    failure_rows::{parked_columns, parked_event},
    outbox::{bind_envelope, envelope_columns, fenced},
    parked_lanes::{bind_lane, is_mine, require_mine},
    rows,
    statement::{Statement, Value},
    write_unit::WriteUnit,
};
use crate::persistence::failures::{listed, page_size, stored_error};

/// Records handler `$1` and event `$2` in the inbox at `$3`, unless the event is known.
const TAKE_IN: &str = "INSERT INTO inbox (handler, event_id, taken_at) SELECT $1, $2, $3 \
     WHERE NOT EXISTS (SELECT 1 FROM parked WHERE handler = $1 AND event_id = $2) \
     AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE handler = $1 AND event_id = $2 AND state <> 'replayed') \
     ON CONFLICT DO NOTHING";

const PARK: &str = concat!(
    "INSERT INTO parked (handler, group_name, parked_at, attempts, first_failed_at, last_failed_at, error, ",
    envelope_columns!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING place"
);

/// The first `$4` events of the lane of handler `$1` and key `$2`, if it has epoch `$3`.
const EVENTS: &str = concat!(
    "SELECT ",
    parked_columns!(),
    " FROM parked WHERE handler = $1 AND partition_key = $2 AND ",
    is_mine!(),
    " ORDER BY place LIMIT $4"
);

/// Ends the claim on the lane of handler `$1` and key `$2`, and removes it unless it holds events or waits for an operator.
const END_LANE: &str = "UPDATE parked_lanes SET claimed_until = NULL WHERE handler = $1 AND partition_key = $2 AND epoch = $3; \
     DELETE FROM parked_lanes WHERE handler = $1 AND partition_key = $2 AND holders = 0 \
     AND NOT EXISTS (SELECT 1 FROM parked WHERE handler = $1 AND partition_key = $2)";

#[async_trait]
impl ParkingStore for SqliteDatabase {
    async fn park(
        &self,
        addressed: &Addressed,
        failures: Option<&Failures>,
        due: Timestamp,
    ) -> Result<bool, StorageError> {
        const OPERATION: &str = "park event";
        let now = self.inner.clock.now();
        let mut unit = self.inner.writer.begin_now().await?;
        if !take_in(&mut unit, OPERATION, addressed, now).await? {
            return Ok(false);
        }
        let lane = Statement::new(
            OPERATION,
            "INSERT INTO parked_lanes (handler, partition_key, due_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        );
        let lane = lane.bind(addressed.handler.as_str()).bind(addressed.event.partition_key.as_str()).bind_time(due);
        let park = park(OPERATION, addressed, failures, now);
        unit.execute(lane.then(park).then(later_ones_behind(OPERATION, addressed))).await?;
        unit.finish().await.map(|()| true)
    }

    async fn bury(
        &self,
        addressed: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<bool, StorageError> {
        const OPERATION: &str = "bury event";
        let now = self.inner.clock.now();
        let mut unit = self.inner.writer.begin_now().await?;
        if !take_in(&mut unit, OPERATION, addressed, now).await? {
            return Ok(false);
        }
        // It is parked for a moment, which gives it its place.
        let park = park(OPERATION, addressed, None, now);
        let place = unit.fetch_optional(park, |row| row.try_get("place")).await?;
        let place = place.ok_or_else(|| corrupt(OPERATION, "the insert returned no place"))?;
        let parked = Parked { handler: &addressed.handler, key: &addressed.event.partition_key, place };
        bury_parked(&mut unit, OPERATION, parked, reason, failures, after, now).await?;
        unit.execute(later_ones_behind(OPERATION, addressed)).await?;
        if after == AfterDeadLetter::Hold {
            // Who retries the lane, if anybody does, loses it.
            let hold = Statement::new(
                OPERATION,
                "UPDATE lane_epochs SET last = last + 1; \
                 INSERT INTO parked_lanes (handler, partition_key, due_at, holders) VALUES ($1, $2, $3, 1) ON CONFLICT DO UPDATE \
                 SET holders = holders + 1, claimed_until = NULL, epoch = (SELECT last FROM lane_epochs)",
            );
            unit.execute(hold.bind(parked.handler).bind(parked.key).bind_time(now)).await?;
        }
        unit.finish().await.map(|()| true)
    }

    async fn claim(
        &self,
        handlers: &[&str],
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        self.claim_lanes(handlers, now, lease, limit).await
    }

    async fn renew(&self, lanes: &[ClaimedLane], until: Timestamp) -> Result<Vec<ClaimedLane>, StorageError> {
        self.renew_lanes(lanes, until).await
    }

    async fn events(&self, lane: &ClaimedLane, limit: u32) -> Result<Vec<ParkedEvent>, StorageError> {
        const OPERATION: &str = "read lane";
        if limit == 0 {
            return Ok(Vec::new());
        }
        let select = || bind_lane(Statement::new(OPERATION, EVENTS), lane).bind(page_size(limit));
        let found = self.fetch(select(), parked_event).await?;
        if !found.is_empty() {
            return Ok(found);
        }
        let mut unit = self.inner.writer.begin_now().await?;
        require_mine(&mut unit, OPERATION, lane).await?;
        // What has been parked since is its answer.
        let found = unit.fetch_all(select(), parked_event).await?;
        if found.is_empty() {
            unit.execute(bind_lane(Statement::new(OPERATION, END_LANE), lane)).await?;
        }
        unit.finish().await.map(|()| found)
    }

    async fn postpone(
        &self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        const OPERATION: &str = "postpone parked event";
        let mut unit = self.inner.writer.begin_now().await?;
        let back = Statement::new(
            OPERATION,
            "UPDATE parked_lanes SET claimed_until = NULL, due_at = $4 \
             WHERE handler = $1 AND partition_key = $2 AND epoch = $3 AND claimed_until IS NOT NULL",
        );
        if unit.execute(bind_lane(back, lane).bind_time(due)).await? == 0 {
            return Err(fenced(OPERATION));
        }
        let fail = Statement::new(
            OPERATION,
            "UPDATE parked SET attempts = ?, first_failed_at = ?, last_failed_at = ?, error = ? \
             WHERE place = ? AND handler = ? AND partition_key = ?",
        );
        let fail = bind_failures(fail, Some(failures)).bind(place).bind(lane.handler.as_str()).bind(lane.key.as_str());
        unit.execute(fail).await?;
        unit.finish().await
    }

    async fn give_up(
        &self,
        lane: &ClaimedLane,
        place: i64,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<(), StorageError> {
        const OPERATION: &str = "give up parked event";
        let now = self.inner.clock.now();
        let mut unit = self.inner.writer.begin_now().await?;
        require_mine(&mut unit, OPERATION, lane).await?;
        let parked = Parked { handler: &lane.handler, key: &lane.key, place };
        let died = bury_parked(&mut unit, OPERATION, parked, reason, failures, after, now).await?;
        if died && after == AfterDeadLetter::Hold {
            let hold = Statement::new(
                OPERATION,
                "UPDATE parked_lanes SET holders = holders + 1, claimed_until = NULL WHERE handler = ? AND partition_key = ?",
            );
            unit.execute(hold.bind(parked.handler).bind(parked.key)).await?;
        }
        unit.finish().await
    }

    async fn release(&self, lane: &ClaimedLane) -> Result<(), StorageError> {
        self.release_lane(lane).await
    }

    async fn next_due(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError> {
        self.next_due_lane(handlers).await
    }

    async fn list(
        &self,
        filter: &ParkedFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Listed<ParkedEvent>, StorageError> {
        let events = self.fetch(list(filter, after, limit), parked_event).await?;
        Ok(listed(events, limit, |event: &ParkedEvent| event.place))
    }

    async fn depth(&self) -> Result<ParkingDepth, StorageError> {
        let select = Statement::new(
            "measure parking",
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM parked LIMIT 100000)) AS events, \
             (SELECT count(*) FROM parked_lanes WHERE holders > 0) AS held_lanes",
        );
        let depth = self
            .fetch_optional(select, |row| {
                Ok(ParkingDepth {
                    events: rows::unsigned(row, "events")?,
                    held_lanes: rows::unsigned(row, "held_lanes")?,
                })
            })
            .await?;
        Ok(depth.unwrap_or_default())
    }
}

/// Runs [`TAKE_IN`].
async fn take_in(
    unit: &mut WriteUnit,
    operation: &'static str,
    addressed: &Addressed,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let take = Statement::new(operation, TAKE_IN);
    let take = take.bind(addressed.handler.as_str()).bind(addressed.event.id).bind_time(now);
    Ok(unit.execute(take).await? == 1)
}

/// Puts an event at the end of its lane; answers its place.
fn park(operation: &'static str, addressed: &Addressed, failures: Option<&Failures>, now: Timestamp) -> Statement {
    let park =
        Statement::new(operation, PARK).bind(addressed.handler.as_str()).bind(addressed.group.as_str()).bind_time(now);
    bind_envelope(bind_failures(park, failures), &addressed.event)
}

/// Gives the events of this one's subject that come later in it, and are parked already, places behind every other. The counter of places goes with
/// them: a place is never given out twice.
const LATER_ONES_BEHIND: &str = "UPDATE parked SET place = place + 1 + (SELECT seq FROM sqlite_sequence WHERE name = 'parked') \
     - (SELECT min(place) FROM parked WHERE handler = ? AND subject = ? AND sequence > ?) \
     WHERE handler = ? AND subject = ? AND sequence > ?; \
     UPDATE sqlite_sequence SET seq = (SELECT max(place) FROM parked) \
     WHERE name = 'parked' AND seq < (SELECT max(place) FROM parked)";

fn later_ones_behind(operation: &'static str, addressed: &Addressed) -> Statement {
    (0..2).fold(Statement::new(operation, LATER_ONES_BEHIND), |statement, _| {
        let event = &addressed.event;
        statement.bind(addressed.handler.as_str()).bind(event.subject.as_str()).bind_unsigned(event.sequence)
    })
}

/// Binds attempts, the times of the first and the last, and the error.
fn bind_failures(statement: Statement, failures: Option<&Failures>) -> Statement {
    statement
        .bind(failures.map_or(0, |failures| failures.attempts))
        .bind(failures.map(|failures| failures.first_at.as_microsecond()))
        .bind(failures.map(|failures| failures.last_at.as_microsecond()))
        .bind(failures.map(|failures| stored_error(&failures.error).into_owned()))
}

/// One more than the page. Only the conditions that are asked for, so that the indexes fit; the events that pass are found in an index,
/// and only they are read.
fn list(filter: &ParkedFilter, after: Option<i64>, limit: u32) -> Statement {
    let index = if filter.subject.is_some() { "parked_by_subject" } else { "parked_by_place" };
    let mut sql = format!("SELECT {} FROM (SELECT place FROM parked INDEXED BY {index} WHERE true", parked_columns!());
    let conditions: [(_, Option<Value>); 4] = [
        (" AND subject = ?", filter.subject.as_deref().map(Value::from)),
        (" AND place > ?", after.map(Value::from)),
        (" AND handler = ?", filter.handler.as_deref().map(Value::from)),
        (" AND name = ?", filter.event.as_deref().map(Value::from)),
    ];
    let mut values = Vec::new();
    for (condition, value) in conditions {
        if let Some(value) = value {
            sql.push_str(condition);
            values.push(value);
        }
    }
    sql.push_str(" ORDER BY place LIMIT ?) JOIN parked USING (place) ORDER BY place");
    let list = values.into_iter().fold(Statement::composed("list parked events", sql), Statement::bind);
    list.bind(page_size(limit) + 1)
}
