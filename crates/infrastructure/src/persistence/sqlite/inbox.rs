use activelog_application::ports::{Clock, Inbox, Intake, StorageError, StorageErrorKind};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{statement::Statement, write_unit::WriteUnit};

/// The inbox in a unit of work.
pub(super) struct SqliteInbox<'a> {
    pub(super) unit: &'a mut WriteUnit,
    pub(super) clock: &'a dyn Clock,
}

const OPERATION: &str = "record in inbox";

/// Records handler `$1` and event `$2` at `$3`, unless the event was given up on or something is in its way.
macro_rules! record {
    ($condition:literal) => {
        concat!(
            "INSERT INTO inbox (handler, event_id, taken_at) SELECT $1, $2, $3 WHERE NOT EXISTS \
             (SELECT 1 FROM dead_letters WHERE handler = $1 AND event_id = $2 AND state <> 'replayed')",
            $condition,
            " ON CONFLICT DO NOTHING"
        )
    };
}

/// What is delivered waits for the lane of its key, `$4`, and for a replay.
const DELIVERED: &str = record!(
    " AND NOT EXISTS (SELECT 1 FROM parked_lanes WHERE handler = $1 AND partition_key = $4) \
     AND NOT EXISTS (SELECT 1 FROM handler_replays WHERE handler = $1)"
);

/// What is replayed waits for events of its subject, `$4`, with a lower sequence than `$5`.
const REPLAYED: &str = record!(
    " AND NOT EXISTS (SELECT 1 FROM parked WHERE handler = $1 AND subject = $4 AND sequence < $5) \
     AND NOT EXISTS (SELECT 1 FROM dead_letters WHERE handler = $1 AND subject = $4 AND sequence < $5 AND holds = 1)"
);

/// Whether handler `$1` has event `$2`, or will never have it.
const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM inbox WHERE handler = $1 AND event_id = $2) \
     OR EXISTS (SELECT 1 FROM parked WHERE handler = $1 AND event_id = $2) \
     OR EXISTS (SELECT 1 FROM dead_letters WHERE handler = $1 AND event_id = $2 AND state <> 'replayed') AS known";

/// Whether the replay of handler `$1` is clearing. Nobody else writes before this transaction has ended.
const CLEARING: &str =
    "SELECT EXISTS (SELECT 1 FROM handler_replays WHERE handler = $1 AND cursor IS NULL) AS clearing";

/// Removes up to `$2` events of handler `$1`: not those that are parked or were given up on.
const FORGET: &str = "DELETE FROM inbox WHERE handler = $1 AND event_id IN (SELECT i.event_id FROM inbox i WHERE i.handler = $1 \
     AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.handler = $1 AND p.event_id = i.event_id) \
     AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.handler = $1 AND d.event_id = i.event_id AND d.state <> 'replayed') \
     LIMIT $2)";

#[async_trait]
impl Inbox for SqliteInbox<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError> {
        let record = self.begin(DELIVERED, handler, event_id).bind(key);
        self.take_in(record, handler, event_id).await
    }

    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError> {
        let record = self.begin(REPLAYED, handler, event.id);
        let record = record.bind(event.subject.as_str()).bind_unsigned(event.sequence);
        self.take_in(record, handler, event.id).await
    }

    async fn forget(&mut self, handler: &str, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "forget inbox";
        let look = Statement::new(OPERATION, CLEARING).bind(handler);
        if self.unit.fetch_optional(look, |row| row.try_get("clearing")).await? != Some(true) {
            return Err(StorageError::new(StorageErrorKind::Fenced, OPERATION, "the replay is not clearing"));
        }
        self.unit.execute(Statement::new(OPERATION, FORGET).bind(handler).bind(limit)).await
    }
}

impl SqliteInbox<'_> {
    /// Binds `$1` to `$3`.
    fn begin(&self, record: &'static str, handler: &str, event_id: Uuid) -> Statement {
        Statement::new(OPERATION, record).bind(handler).bind(event_id).bind_time(self.clock.now())
    }

    /// Runs `record`; only when that records nothing, looks for what is in the way.
    async fn take_in(&mut self, record: Statement, handler: &str, event_id: Uuid) -> Result<Intake, StorageError> {
        if self.unit.execute(record).await? == 1 {
            return Ok(Intake::New);
        }
        let look = Statement::new(OPERATION, KNOWN).bind(handler).bind(event_id);
        let known = self.unit.fetch_optional(look, |row| row.try_get("known")).await?;
        Ok(if known == Some(true) { Intake::AlreadyTaken } else { Intake::Behind })
    }
}
