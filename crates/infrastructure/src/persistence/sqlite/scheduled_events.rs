use activelog_application::ports::{
    Lease, SCHEDULED_PAGE_MAX, ScheduledEvent, ScheduledEvents, ScheduledFilter, StorageError, partition_of,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    SqliteDatabase,
    outbox::{bind_envelope, envelope_columns, json_list, require_leases},
    rows,
    statement::Statement,
};

/// Puts an event on the schedule.
pub(super) fn insert(event: &EventEnvelope, due: Timestamp, now: Timestamp) -> Statement {
    let insert = Statement::new(
        "schedule event",
        concat!(
            "INSERT INTO scheduled_events (partition, due_at, scheduled_at, ",
            envelope_columns!(),
            ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ),
    );
    bind_envelope(insert.bind(partition_of(&event.partition_key).0).bind_time(due).bind_time(now), event)
}

/// Takes an event off the schedule.
pub(super) fn delete(event_id: Uuid) -> Statement {
    Statement::new("cancel scheduled event", "DELETE FROM scheduled_events WHERE event_id = ?").bind(event_id)
}

/// Those that can go into the outbox now: due, and nothing of their id or sequence is there, or is scheduled before them.
const RELEASABLE: &str = "SELECT s.id FROM scheduled_events s WHERE s.due_at <= ? \
     AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.event_id = s.event_id) \
     AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.subject = s.subject AND o.sequence = s.sequence) \
     AND NOT EXISTS (SELECT 1 FROM scheduled_events e WHERE e.subject = s.subject AND e.sequence = s.sequence \
         AND (e.due_at, e.id) < (s.due_at, s.id)) \
     ORDER BY s.due_at, s.id LIMIT ?";

/// Moves the rows of the list `$2` in the order of their places. `$1` is the present.
const MOVE: &str = concat!(
    "INSERT INTO outbox (recorded_at, partition, ",
    envelope_columns!(),
    ") SELECT $1, partition, ",
    envelope_columns!(),
    " FROM scheduled_events WHERE id IN (SELECT value FROM json_each($2)) ORDER BY due_at, id; \
     DELETE FROM scheduled_events WHERE id IN (SELECT value FROM json_each($2))"
);

fn scheduled(row: &SqliteRow) -> Result<ScheduledEvent, sqlx::Error> {
    Ok(ScheduledEvent {
        row: row.try_get("id")?,
        due: rows::time(row, "due_at")?,
        scheduled_at: rows::time(row, "scheduled_at")?,
        event: rows::envelope(row)?,
    })
}

#[async_trait]
impl ScheduledEvents for SqliteDatabase {
    async fn release(&self, lease: &Lease, now: Timestamp, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "release scheduled events";
        let mut unit = self.inner.writer.begin_now().await?;
        require_leases(&mut unit, std::slice::from_ref(lease)).await?;
        let select = Statement::new(OPERATION, RELEASABLE).bind_time(now).bind(limit);
        let rows: Vec<i64> = unit.fetch_all(select, |row| row.try_get("id")).await?;
        if rows.is_empty() {
            return unit.finish().await.map(|()| 0);
        }
        let moving =
            Statement::new(OPERATION, MOVE).bind_time(self.inner.clock.now()).bind(json_list(OPERATION, &rows)?);
        let moved = unit.execute(moving).await?;
        unit.touch_outbox();
        unit.finish().await?;
        Ok(moved)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StorageError> {
        let select = Statement::new("look for scheduled events", "SELECT min(due_at) AS due FROM scheduled_events");
        Ok(self.fetch_optional(select, |row| rows::optional_time(row, "due")).await?.flatten())
    }

    async fn list(
        &self,
        filter: &ScheduledFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<ScheduledEvent>, StorageError> {
        let select = Statement::new(
            "list scheduled events",
            concat!(
                "SELECT id, due_at, scheduled_at, ",
                envelope_columns!(),
                " FROM scheduled_events WHERE (due_at, id) > (?, ?) AND name = coalesce(?, name) \
                 AND subject = coalesce(?, subject) ORDER BY due_at, id LIMIT ?"
            ),
        );
        let (due, row) = after.unwrap_or((Timestamp::MIN, i64::MIN));
        let select = select
            .bind_time(due)
            .bind(row)
            .bind(filter.name.as_deref())
            .bind(filter.subject.as_deref())
            .bind(limit.min(SCHEDULED_PAGE_MAX));
        self.fetch(select, scheduled).await
    }

    async fn cancel(&self, event_id: Uuid) -> Result<bool, StorageError> {
        let mut unit = self.inner.writer.begin_now().await?;
        let cancelled = unit.execute(delete(event_id)).await?;
        unit.finish().await?;
        Ok(cancelled == 1)
    }
}
