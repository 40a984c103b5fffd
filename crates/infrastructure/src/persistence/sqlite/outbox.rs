use activelog_application::ports::{
    Clock, Lease, Outbox, OutboxDepth, OutboxEntry, OutboxStore, Partition, StorageError, StorageErrorKind,
    partition_of,
};
use activelog_domain::event::{EventEnvelope, TraceContext};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteDatabase, rows, scheduled_events, statement::Statement, write_unit::WriteUnit};

/// The outbox in a unit of work.
pub(super) struct SqliteOutbox<'a> {
    pub(super) unit: &'a mut WriteUnit,
    pub(super) clock: &'a dyn Clock,
}

/// The columns of an envelope, the same in outbox and journal.
macro_rules! envelope_columns {
    () => {
        "event_id, name, version, source, subject, sequence, partition_key, time, content_type, \
         correlation_id, causation_id, traceparent, tracestate, data"
    };
}
pub(super) use envelope_columns;

/// The most rows of one INSERT: 16 parameters each, below SQLite's limit of 32,766.
pub(super) const ROWS: usize = 500;

/// Binds an envelope in the order of [`envelope_columns`].
pub(super) fn bind_envelope(statement: Statement, event: &EventEnvelope) -> Statement {
    statement
        .bind(event.id)
        .bind(event.name.as_str())
        .bind(event.version)
        .bind(event.source.as_str())
        .bind(event.subject.as_str())
        .bind_unsigned(event.sequence)
        .bind(event.partition_key.as_str())
        .bind_time(event.time)
        .bind(event.content_type.as_str())
        .bind(event.correlation_id)
        .bind(event.causation_id)
        .bind(event.trace.as_ref().map(TraceContext::traceparent))
        .bind(event.trace.as_ref().and_then(TraceContext::tracestate))
        .bind(&event.data[..])
}

#[async_trait]
impl Outbox for SqliteOutbox<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        let now = self.clock.now();
        for events in events.chunks(ROWS) {
            let insert = Statement::rows(
                "append to outbox",
                concat!("INSERT INTO outbox (partition, recorded_at, ", envelope_columns!(), ") VALUES"),
                "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                events.len(),
                "",
            );
            let insert = events.iter().fold(insert, |insert, event| {
                bind_envelope(insert.bind(partition_of(&event.partition_key).0).bind_time(now), event)
            });
            self.unit.write(insert).await?;
            self.unit.touch_outbox();
        }
        Ok(())
    }

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        self.unit.write(scheduled_events::insert(event, due, self.clock.now())).await
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        Ok(self.unit.execute(scheduled_events::delete(event_id)).await? == 1)
    }
}

/// Moves rows of the outbox to the journal, in the database alone. `$rows` selects their ids from `$1`, the partitions as a JSON
/// array, and `$2`, what the caller binds; the three statements see the same rows, as nobody else writes.
///
/// - A publication time is never before that of the position before it, whatever the clock does, so that readers that merge by
///   it keep the order of each partition.
/// - An event that is in the journal already was published before: it only leaves the outbox.
macro_rules! move_rows {
    ($rows:literal) => {
        concat!(
            "INSERT INTO journal (partition, position, published_at, ",
            envelope_columns!(),
            ") SELECT o.partition, \
               coalesce(h.position, 0) + row_number() OVER (PARTITION BY o.partition ORDER BY o.id), \
               max($3, coalesce((SELECT j.published_at FROM journal j WHERE j.partition = o.partition \
                                 ORDER BY j.position DESC LIMIT 1), $3)), ",
            envelope_columns!(),
            " FROM outbox o LEFT JOIN journal_heads h ON h.partition = o.partition WHERE o.id IN (",
            $rows,
            ") AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.event_id = o.event_id); \
             INSERT INTO journal_heads (partition, position) \
                 SELECT p.value, (SELECT max(j.position) FROM journal j WHERE j.partition = p.value) AS last \
                 FROM json_each($1) p WHERE last IS NOT NULL \
                 ON CONFLICT DO UPDATE SET position = excluded.position WHERE position < excluded.position; \
             DELETE FROM outbox WHERE id IN (",
            $rows,
            ")"
        )
    };
}

/// A list as a JSON array, to be bound as one parameter.
pub(super) fn json_list<T: serde::Serialize>(operation: &'static str, list: &[T]) -> Result<String, StorageError> {
    serde_json::to_string(list).map_err(|error| StorageError::new(StorageErrorKind::Other, operation, error))
}

impl SqliteDatabase {
    /// Runs a move under leases. Answers how many rows have left the outbox.
    async fn move_rows(&self, leases: &[Lease], statement: Statement) -> Result<u64, StorageError> {
        let mut unit = self.inner.writer.begin_now().await?;
        require_leases(&mut unit, leases).await?;
        let moved = unit.execute(statement).await?;
        unit.touch_journal();
        unit.finish().await?;
        Ok(moved)
    }
}

/// Fails unless every lease still belongs to whom it was given to.
pub(super) async fn require_leases(unit: &mut WriteUnit, leases: &[Lease]) -> Result<(), StorageError> {
    const OPERATION: &str = "check leases";
    let given: Vec<_> = leases.iter().map(|lease| (&lease.scope, lease.partition.0, lease.epoch)).collect();
    let select = Statement::new(
        OPERATION,
        "SELECT count(*) AS held FROM json_each(?) g JOIN leases l \
         ON l.scope = g.value ->> 0 AND l.partition = g.value ->> 1 AND l.epoch = g.value ->> 2 \
         WHERE l.owner IS NOT NULL",
    )
    .bind(json_list(OPERATION, &given)?);
    let held = unit.fetch_optional(select, |row| rows::unsigned(row, "held")).await?;
    if held == Some(leases.len() as u64) { Ok(()) } else { Err(fenced(OPERATION)) }
}

/// A lease was lost.
pub(super) fn fenced(operation: &'static str) -> StorageError {
    StorageError::new(StorageErrorKind::Fenced, operation, "the lease has gone to another owner")
}

#[async_trait]
impl OutboxStore for SqliteDatabase {
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError> {
        let select = Statement::new(
            "read outbox",
            concat!(
                "SELECT id, ",
                envelope_columns!(),
                " FROM outbox WHERE partition = ? AND id > ? ORDER BY id LIMIT ?"
            ),
        );
        self.fetch(select.bind(partition.0).bind(after).bind(limit), rows::outbox_entry).await
    }

    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError> {
        const OPERATION: &str = "complete outbox rows";
        let statement = Statement::new(
            OPERATION,
            move_rows!(
                "SELECT c.id FROM json_each($2) r JOIN outbox c ON c.id = r.value \
                 JOIN json_each($1) q ON q.value = c.partition"
            ),
        );
        let statement = statement
            .bind(json_list(OPERATION, &[lease.partition.0])?)
            .bind(json_list(OPERATION, rows)?)
            .bind_time(self.inner.clock.now());
        self.move_rows(std::slice::from_ref(lease), statement).await
    }

    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "complete oldest outbox rows";
        let statement = Statement::new(
            OPERATION,
            move_rows!(
                "SELECT c.id FROM outbox c WHERE c.partition IN (SELECT q.value FROM json_each($1) q) \
                 ORDER BY c.id LIMIT $2"
            ),
        );
        let partitions: Vec<u16> = leases.iter().map(|lease| lease.partition.0).collect();
        let statement =
            statement.bind(json_list(OPERATION, &partitions)?).bind(limit).bind_time(self.inner.clock.now());
        self.move_rows(leases, statement).await
    }

    async fn waiting(&self) -> Result<Vec<Partition>, StorageError> {
        // One index probe per partition, however much waits.
        let select = Statement::new(
            "look for outbox rows",
            "WITH RECURSIVE next (partition) AS (SELECT min(partition) FROM outbox UNION ALL \
             SELECT (SELECT min(o.partition) FROM outbox o WHERE o.partition > next.partition) FROM next \
             WHERE next.partition IS NOT NULL) SELECT partition FROM next WHERE partition IS NOT NULL",
        );
        self.fetch(select, |row| Ok(Partition(row.try_get("partition")?))).await
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        // The oldest is the one with the lowest row: only a handful of rows can have been recorded out of order.
        let select = Statement::new(
            "read outbox depth",
            "SELECT count(*) AS events, (SELECT recorded_at FROM outbox ORDER BY id LIMIT 1) AS oldest FROM outbox",
        );
        Ok(self.fetch_optional(select, depth).await?.unwrap_or_default())
    }

    async fn depth_within(&self, bound: u32, spared: u32) -> Result<OutboxDepth, StorageError> {
        let select = Statement::new(
            "read outbox depth",
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT ?)) AS events, \
             (SELECT recorded_at FROM outbox ORDER BY id LIMIT 1 OFFSET ?) AS oldest",
        );
        Ok(self.fetch_optional(select.bind(bound).bind(spared), depth).await?.unwrap_or_default())
    }
}

fn depth(row: &SqliteRow) -> Result<OutboxDepth, sqlx::Error> {
    Ok(OutboxDepth { events: rows::unsigned(row, "events")?, oldest: rows::optional_time(row, "oldest")? })
}
