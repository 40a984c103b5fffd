use activelog_application::ports::{Inbox, Intake, StorageError, StorageErrorKind};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{
    rows::{Columns, signed},
    session::{PgQuery, planned_anew},
    unit_of_work::PgUnitOfWork,
};

/// The inbox on PostgreSQL.
pub(super) struct PgInbox<'u>(pub(super) &'u mut PgUnitOfWork);

/// How often what is in an event's way may be gone by the time it is looked for.
const ATTEMPTS: usize = 3;

/// The statements for one way of taking an event: handler `$1`, event `$2`, and what the condition needs.
struct Taking {
    /// Records it at the last parameter, unless it was given up on or something is in its way. The unique index makes the second of two
    /// transactions wait for the end of the first.
    record: &'static str,
    /// Whether it is known, and whether something is in its way.
    look: &'static str,
}

macro_rules! taking {
    ($condition:literal, $now:literal) => {
        Taking {
            record: concat!(
                "INSERT INTO inbox (handler, event_id, taken_at) SELECT $1, $2, ",
                $now,
                " WHERE NOT EXISTS (SELECT FROM dead_letters WHERE handler = $1 AND event_id = $2 AND state <> 'replayed') AND NOT ",
                $condition,
                " ON CONFLICT DO NOTHING"
            ),
            look: concat!(
                "SELECT EXISTS (SELECT FROM inbox WHERE handler = $1 AND event_id = $2) \
                 OR EXISTS (SELECT FROM parked WHERE handler = $1 AND event_id = $2) \
                 OR EXISTS (SELECT FROM dead_letters WHERE handler = $1 AND event_id = $2 AND state <> 'replayed'), ",
                $condition
            ),
        }
    };
}

/// What is delivered waits for the lane of its key, `$3`, and for a replay.
const DELIVERED: Taking = taking!(
    "(EXISTS (SELECT FROM parked_lanes WHERE handler = $1 AND partition_key = $3) \
     OR EXISTS (SELECT FROM handler_replays WHERE handler = $1))",
    "$4"
);

/// What is replayed waits for events of its subject, `$3`, with a lower sequence than `$4`.
const REPLAYED: Taking = taking!(
    "(EXISTS (SELECT FROM parked WHERE handler = $1 AND subject = $3 AND sequence < $4) \
     OR EXISTS (SELECT FROM dead_letters WHERE handler = $1 AND subject = $3 AND sequence < $4 AND holds))",
    "$5"
);

/// Keeps the replay of handler `$1` clearing until the transaction has ended. Answers how many there are.
const CLEARING: &str = "WITH clearing AS (SELECT FROM handler_replays WHERE handler = $1 AND cursor IS NULL FOR SHARE) \
     SELECT count(*) FROM clearing";

/// Removes up to `$2` events of handler `$1`: not those that are parked or were given up on.
const FORGET: &str = "DELETE FROM inbox WHERE handler = $1 AND event_id = ANY(ARRAY(SELECT i.event_id FROM inbox AS i WHERE i.handler = $1 \
     AND NOT EXISTS (SELECT FROM parked AS p WHERE p.handler = $1 AND p.event_id = i.event_id) \
     AND NOT EXISTS (SELECT FROM dead_letters AS d WHERE d.handler = $1 AND d.event_id = i.event_id AND d.state <> 'replayed') \
     LIMIT $2))";

#[async_trait]
impl Inbox for PgInbox<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError> {
        let bind = |query: PgQuery| query.bind(handler).bind(event_id).bind(key);
        // Every condition of this statement has one index that serves it, so its plan can be kept.
        self.take_in(|| bind(sqlx::query(DELIVERED.record)), || bind(planned_anew(DELIVERED.look))).await
    }

    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError> {
        let bind = |query: PgQuery| {
            query.bind(handler).bind(event.id).bind(event.subject.as_str()).bind(signed(event.sequence))
        };
        self.take_in(|| bind(planned_anew(REPLAYED.record)), || bind(planned_anew(REPLAYED.look))).await
    }

    async fn forget(&mut self, handler: &str, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "forget inbox";
        let row = self.0.session.one(OPERATION, sqlx::query(CLEARING).bind(handler)).await?;
        if Columns::of(&row, OPERATION).unsigned()? == 0 {
            return Err(StorageError::new(StorageErrorKind::Fenced, OPERATION, "the replay is not clearing"));
        }
        self.0.session.execute(OPERATION, planned_anew(FORGET).bind(handler).bind(i64::from(limit))).await
    }
}

impl PgInbox<'_> {
    /// Records the event; only when that records nothing, looks for what is in the way. Others may clear it away in between: then it is
    /// tried again.
    async fn take_in(
        &mut self,
        record: impl Fn() -> PgQuery + Send,
        look: impl Fn() -> PgQuery + Send,
    ) -> Result<Intake, StorageError> {
        const OPERATION: &str = "record in inbox";
        let now = self.0.shared.clock.now().to_sqlx();
        for _ in 0..ATTEMPTS {
            if self.0.session.execute(OPERATION, record().bind(now)).await? == 1 {
                return Ok(Intake::New);
            }
            let row = self.0.session.one(OPERATION, look()).await?;
            let mut columns = Columns::of(&row, OPERATION);
            let (known, blocked): (bool, bool) = (columns.take()?, columns.take()?);
            if known {
                return Ok(Intake::AlreadyTaken);
            }
            if blocked {
                break;
            }
        }
        Ok(Intake::Behind)
    }
}
