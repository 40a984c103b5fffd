use activelog_application::ports::{
    Lease, SCHEDULED_PAGE_MAX, ScheduledEvent, ScheduledEvents, ScheduledFilter, StorageError,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{
    database::PgDatabase,
    envelope::{bind_one, envelope, envelope_columns, stored_partition},
    error::fenced,
    rows::Columns,
    session::PgQuery,
};

const INSERT: &str = concat!(
    "INSERT INTO scheduled_events (partition, ",
    envelope_columns!(),
    ", due_at, scheduled_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
);

/// Puts an event on the schedule.
pub(super) fn insert(event: &EventEnvelope, due: Timestamp, now: Timestamp) -> PgQuery {
    bind_one(sqlx::query(INSERT), event).bind(due.to_sqlx()).bind(now.to_sqlx())
}

/// Takes an event off the schedule. While it is being moved into the outbox, waits for that to end.
pub(super) fn delete(event_id: Uuid) -> PgQuery {
    sqlx::query("DELETE FROM scheduled_events WHERE event_id = $1").bind(event_id)
}

/// Moves what is due at `$4` into the outbox, at most `$5`, under the lease `$1` to `$3`; `$6` is the present.
///
/// The lock on the lease's row keeps it from changing hands until the move is committed, those on the schedule's rows keep them from being
/// cancelled. An event of whose id or sequence another transaction is just recording one stays: it is moved once that has left the outbox.
const RELEASE: &str = concat!(
    "WITH held AS MATERIALIZED (SELECT FROM leases WHERE scope = $1 AND partition = $2 AND epoch = $3 \
     AND owner IS NOT NULL FOR SHARE), \
     going AS MATERIALIZED (SELECT s.* FROM scheduled_events AS s WHERE s.due_at <= $4 AND EXISTS (SELECT FROM held) \
     AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.event_id = s.event_id) \
     AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.subject = s.subject AND o.sequence = s.sequence) \
     AND NOT EXISTS (SELECT FROM scheduled_events AS e WHERE e.subject = s.subject AND e.sequence = s.sequence \
     AND (e.due_at, e.id) < (s.due_at, s.id)) ORDER BY s.due_at, s.id LIMIT $5 FOR UPDATE OF s SKIP LOCKED), \
     moved AS (INSERT INTO outbox (partition, ",
    envelope_columns!(),
    ", recorded_at) SELECT partition, ",
    envelope_columns!(),
    ", $6 FROM going ORDER BY due_at, id ON CONFLICT DO NOTHING RETURNING event_id), \
     gone AS (DELETE FROM scheduled_events WHERE event_id IN (SELECT event_id FROM moved)) \
     SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM moved)"
);

const LIST: &str = concat!(
    "SELECT id, due_at, scheduled_at, ",
    envelope_columns!(),
    " FROM scheduled_events WHERE ($1::timestamptz IS NULL OR (due_at, id) > ($1, $2)) \
     AND ($3::text IS NULL OR name = $3) AND ($4::text IS NULL OR subject = $4) ORDER BY due_at, id LIMIT $5"
);

#[async_trait]
impl ScheduledEvents for PgDatabase {
    async fn release(&self, lease: &Lease, now: Timestamp, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "release scheduled events";
        let query = sqlx::query(RELEASE)
            .bind(lease.scope.clone())
            .bind(stored_partition(lease.partition.0))
            .bind(lease.epoch)
            .bind(now.to_sqlx())
            .bind(i64::from(limit))
            .bind(self.shared.clock.now().to_sqlx());
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        let mut columns = Columns::of(&row, OPERATION);
        let (held, moved): (u64, u64) = (columns.unsigned()?, columns.unsigned()?);
        if held == 0 {
            return Err(fenced(OPERATION));
        }
        if moved > 0 {
            self.shared.outbox_signal.ring();
        }
        Ok(moved)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StorageError> {
        const OPERATION: &str = "look for scheduled events";
        let query = sqlx::query("SELECT min(due_at) FROM scheduled_events");
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        Columns::of(&row, OPERATION).instant_or_null()
    }

    async fn list(
        &self,
        filter: &ScheduledFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<ScheduledEvent>, StorageError> {
        const OPERATION: &str = "list scheduled events";
        let query = sqlx::query(LIST)
            .bind(after.map(|(due, _)| due.to_sqlx()))
            .bind(after.map(|(_, row)| row))
            .bind(filter.name.clone())
            .bind(filter.subject.clone())
            .bind(i64::from(limit.min(SCHEDULED_PAGE_MAX)));
        let rows = self.system(OPERATION).await?.rows(OPERATION, query).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row, OPERATION);
                Ok(ScheduledEvent {
                    row: columns.take()?,
                    due: columns.instant()?,
                    scheduled_at: columns.instant()?,
                    event: envelope(&mut columns)?,
                })
            })
            .collect()
    }

    async fn cancel(&self, event_id: Uuid) -> Result<bool, StorageError> {
        const OPERATION: &str = "cancel scheduled event";
        Ok(self.system(OPERATION).await?.execute(OPERATION, delete(event_id)).await? == 1)
    }
}
