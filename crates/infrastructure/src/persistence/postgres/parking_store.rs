use std::time::Duration;

use activelog_application::ports::{
    Addressed, AfterDeadLetter, ClaimedLane, DeathReason, Failures, Listed, ParkedEvent, ParkedFilter, ParkingDepth,
    ParkingStore, StorageError,
};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder};

use super::{
    burial::{bind_death, bury_dying},
    database::PgDatabase,
    envelope::{bind_envelope, envelope_columns},
    error::fenced,
    failure_rows::{parked_columns, parked_event},
    parked_lanes::{commit, keep_lane, lock_lane, remove_if_idle},
    rows::{Columns, integer, signed},
    session::{Session, planned_anew},
};
use crate::persistence::failures::{listed, page_size, stored_error};

/// Records handler `$1` and event `$2` in the inbox at `$3`, unless the event is known. The unique index makes it wait for the end of another
/// transaction that takes the event.
const TAKE_IN: &str = "INSERT INTO inbox (handler, event_id, taken_at) SELECT $1, $2, $3 \
     WHERE NOT EXISTS (SELECT FROM parked WHERE handler = $1 AND event_id = $2) \
     AND NOT EXISTS (SELECT FROM dead_letters WHERE handler = $1 AND event_id = $2 AND state <> 'replayed') \
     ON CONFLICT DO NOTHING";

const PARK: &str = concat!(
    "INSERT INTO parked (",
    envelope_columns!(),
    ", handler, group_name, parked_at, attempts, first_failed_at, last_failed_at, error) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)"
);

/// Buries an event that was not parked, in the next place. A claim of its lane ends when that has to wait.
const BURY: &str = concat!(
    "WITH dying AS (SELECT nextval(pg_get_serial_sequence('parked', 'place')) AS place, e.* FROM (VALUES \
     ($8::text, $9::text, $10::uuid, $11::text, $12::integer, $13::text, $14::text, $15::bigint, $16::text, $17::timestamptz, \
     $18::text, $19::uuid, $20::uuid, $21::text, $22::text, $23::bytea)) AS e (handler, group_name, ",
    envelope_columns!(),
    ")), held AS (INSERT INTO parked_lanes AS l (handler, partition_key, due_at, holders) \
     SELECT handler, partition_key, $7, 1 FROM dying WHERE $6 ON CONFLICT (handler, partition_key) DO UPDATE \
     SET holders = l.holders + 1, claimed_until = NULL, epoch = nextval('lane_epochs')), ",
    bury_dying!(),
    " SELECT count(*) FROM dying"
);

/// Buries the event at place `$11` of the lane of handler `$8` and key `$9`, if that has epoch `$10`. Answers whether it has.
const GIVE_UP: &str = concat!(
    "WITH mine AS MATERIALIZED (SELECT FROM parked_lanes \
     WHERE handler = $8 AND partition_key = $9 AND epoch = $10 AND claimed_until IS NOT NULL FOR NO KEY UPDATE), \
     dying AS (DELETE FROM parked WHERE place = $11 AND handler = $8 AND partition_key = $9 AND EXISTS (SELECT FROM mine) \
     RETURNING place, handler, group_name, ",
    envelope_columns!(),
    "), held AS (UPDATE parked_lanes AS l SET holders = l.holders + 1, claimed_until = NULL FROM dying \
     WHERE $6 AND l.handler = dying.handler AND l.partition_key = dying.partition_key), ",
    bury_dying!(),
    " SELECT EXISTS (SELECT FROM mine)"
);

/// Gives the lane of handler `$1` and key `$2` back until `$5`, if it has epoch `$3`, and writes down the failure of the event at place `$4`.
const POSTPONE: &str = "WITH lane AS (UPDATE parked_lanes SET due_at = $5, claimed_until = NULL \
     WHERE handler = $1 AND partition_key = $2 AND epoch = $3 AND claimed_until IS NOT NULL RETURNING 1), \
     event AS (UPDATE parked SET attempts = $6, first_failed_at = $7, last_failed_at = $8, error = $9 \
     WHERE place = $4 AND handler = $1 AND partition_key = $2 AND EXISTS (SELECT FROM lane)) \
     SELECT count(*) FROM lane";

/// The first `$4` events of the lane of handler `$1` and key `$2`, if it has epoch `$3`.
const EVENTS: &str = concat!(
    "SELECT ",
    parked_columns!(),
    " FROM parked WHERE handler = $1 AND partition_key = $2 AND EXISTS (SELECT FROM parked_lanes AS l \
     WHERE l.handler = $1 AND l.partition_key = $2 AND l.epoch = $3 AND l.claimed_until IS NOT NULL) ORDER BY place LIMIT $4"
);

#[async_trait]
impl ParkingStore for PgDatabase {
    async fn park(
        &self,
        addressed: &Addressed,
        failures: Option<&Failures>,
        due: Timestamp,
    ) -> Result<bool, StorageError> {
        const OPERATION: &str = "park event";
        let mut session = self.work_transaction().await?;
        if !take_in(&mut session, OPERATION, addressed, self.shared.clock.now()).await? {
            session.rollback().await;
            return Ok(false);
        }
        keep_lane(&mut session, OPERATION, &addressed.handler, &addressed.event.partition_key, due).await?;
        let park = bind_envelope(sqlx::query(PARK), &addressed.event)
            .bind(addressed.handler.as_str())
            .bind(addressed.group.as_str())
            .bind(self.shared.clock.now().to_sqlx())
            .bind(failures.map_or(0, |failures| integer(failures.attempts)))
            .bind(failures.map(|failures| failures.first_at.to_sqlx()))
            .bind(failures.map(|failures| failures.last_at.to_sqlx()))
            .bind(failures.map(|failures| stored_error(&failures.error).into_owned()));
        session.execute(OPERATION, park).await?;
        later_ones_behind(&mut session, OPERATION, addressed).await?;
        commit(session, OPERATION).await.map(|()| true)
    }

    async fn bury(
        &self,
        addressed: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<bool, StorageError> {
        const OPERATION: &str = "bury event";
        let now = self.shared.clock.now();
        let mut session = self.work_transaction().await?;
        if !take_in(&mut session, OPERATION, addressed, now).await? {
            session.rollback().await;
            return Ok(false);
        }
        let bury = bind_death(planned_anew(BURY), reason, failures, after, now)
            .bind(addressed.handler.as_str())
            .bind(addressed.group.as_str());
        session.one(OPERATION, bind_envelope(bury, &addressed.event)).await?;
        later_ones_behind(&mut session, OPERATION, addressed).await?;
        commit(session, OPERATION).await.map(|()| true)
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
        let found = events(&mut self.system(OPERATION).await?, OPERATION, lane, limit).await?;
        if found.is_empty() { self.end_lane(OPERATION, lane, limit).await } else { Ok(found) }
    }

    async fn postpone(
        &self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        const OPERATION: &str = "postpone parked event";
        let query = planned_anew(POSTPONE)
            .bind(lane.handler.as_str())
            .bind(lane.key.as_str())
            .bind(lane.epoch)
            .bind(place)
            .bind(due.to_sqlx())
            .bind(integer(failures.attempts))
            .bind(failures.first_at.to_sqlx())
            .bind(failures.last_at.to_sqlx())
            .bind(stored_error(&failures.error).into_owned());
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        if Columns::of(&row, OPERATION).unsigned()? == 1 { Ok(()) } else { Err(fenced(OPERATION)) }
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
        let query = bind_death(planned_anew(GIVE_UP), reason, failures, after, self.shared.clock.now())
            .bind(lane.handler.as_str())
            .bind(lane.key.as_str())
            .bind(lane.epoch)
            .bind(place);
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        if Columns::of(&row, OPERATION).take()? { Ok(()) } else { Err(fenced(OPERATION)) }
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
        const OPERATION: &str = "list parked events";
        let rows =
            self.reader(OPERATION).await?.rows(OPERATION, list(filter, after, limit).build().persistent(false)).await?;
        let events = rows.iter().map(|row| parked_event(row, OPERATION)).collect::<Result<_, _>>()?;
        Ok(listed(events, limit, |event: &ParkedEvent| event.place))
    }

    async fn depth(&self) -> Result<ParkingDepth, StorageError> {
        const OPERATION: &str = "measure parking";
        let query = sqlx::query(
            "SELECT (SELECT count(*) FROM (SELECT FROM parked ORDER BY place LIMIT 100000) AS counted), \
             (SELECT count(*) FROM parked_lanes WHERE holders > 0)",
        );
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        let mut columns = Columns::of(&row, OPERATION);
        Ok(ParkingDepth { events: columns.unsigned()?, held_lanes: columns.unsigned()? })
    }
}

impl PgDatabase {
    /// Ends a claimed lane that seemed to be empty, unless something has been parked meanwhile: that is its answer. The lock keeps more from
    /// coming.
    async fn end_lane(
        &self,
        operation: &'static str,
        lane: &ClaimedLane,
        limit: u32,
    ) -> Result<Vec<ParkedEvent>, StorageError> {
        let mut session = self.system_transaction(operation).await?;
        lock_lane(&mut session, operation, &lane.handler, &lane.key).await?;
        let found = events(&mut session, operation, lane, limit).await?;
        if found.is_empty() {
            let end = sqlx::query(
                "UPDATE parked_lanes SET claimed_until = NULL WHERE handler = $1 AND partition_key = $2 AND epoch = $3 \
                 AND claimed_until IS NOT NULL",
            );
            let end = end.bind(lane.handler.as_str()).bind(lane.key.as_str()).bind(lane.epoch);
            if session.execute(operation, end).await? == 0 {
                return Err(fenced(operation));
            }
            remove_if_idle(&mut session, operation, &lane.handler, &lane.key).await?;
        }
        commit(session, operation).await.map(|()| found)
    }
}

/// Runs [`TAKE_IN`].
async fn take_in(
    session: &mut Session,
    operation: &'static str,
    addressed: &Addressed,
    now: Timestamp,
) -> Result<bool, StorageError> {
    let query = planned_anew(TAKE_IN).bind(addressed.handler.as_str()).bind(addressed.event.id).bind(now.to_sqlx());
    Ok(session.execute(operation, query).await? == 1)
}

/// Runs [`EVENTS`].
async fn events(
    session: &mut Session,
    operation: &'static str,
    lane: &ClaimedLane,
    limit: u32,
) -> Result<Vec<ParkedEvent>, StorageError> {
    let query = planned_anew(EVENTS)
        .bind(lane.handler.as_str())
        .bind(lane.key.as_str())
        .bind(lane.epoch)
        .bind(i64::from(page_size(limit)));
    let rows = session.rows(operation, query).await?;
    rows.iter().map(|row| parked_event(row, operation)).collect()
}

/// Only the conditions that are asked for, so that each combination gets a plan that fits it; one more than the page.
fn list(filter: &ParkedFilter, after: Option<i64>, limit: u32) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::<Postgres>::new(concat!("SELECT ", parked_columns!(), " FROM parked WHERE TRUE"));
    let conditions =
        [(" AND handler = ", &filter.handler), (" AND name = ", &filter.event), (" AND subject = ", &filter.subject)];
    for (condition, value) in conditions {
        if let Some(value) = value {
            query.push(condition).push_bind(value.clone());
        }
    }
    if let Some(after) = after {
        query.push(" AND place > ").push_bind(after);
    }
    query.push(" ORDER BY place LIMIT ").push_bind(i64::from(page_size(limit)) + 1);
    query
}

/// Gives the events of subject `$2` after sequence `$3` that are parked for handler `$1` already places behind every other, in their order.
const LATER_ONES_BEHIND: &str = "UPDATE parked AS p SET place = later.new FROM (SELECT place, \
     nextval(pg_get_serial_sequence('parked', 'place')) AS new FROM (SELECT place FROM parked \
     WHERE handler = $1 AND subject = $2 AND sequence > $3 ORDER BY place) AS o) AS later WHERE p.place = later.place";

async fn later_ones_behind(
    session: &mut Session,
    operation: &'static str,
    addressed: &Addressed,
) -> Result<(), StorageError> {
    let query = planned_anew(LATER_ONES_BEHIND)
        .bind(addressed.handler.as_str())
        .bind(addressed.event.subject.as_str())
        .bind(signed(addressed.event.sequence));
    session.execute(operation, query).await.map(drop)
}
