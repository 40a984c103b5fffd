use activelog_application::ports::{
    Clock, Lease, Outbox, OutboxDepth, OutboxEntry, OutboxStore, Partition, StorageError, StorageErrorKind,
    partition_of,
};
use activelog_domain::event::{EventEnvelope, TraceContext};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Row;

use super::{SqliteDatabase, rows, statement::Statement, write_unit::WriteUnit};

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
            self.unit.execute(insert).await?;
            self.unit.touch_outbox();
        }
        Ok(())
    }
}

/// Moves rows of the outbox to the journal, in the database alone. `$rows` selects their ids from `$1`, the partition,
/// and `$2`, what the caller binds; the three statements see the same rows, as nobody else writes.
///
/// - A publication time is never before that of the position before it, whatever the clock does, so that readers that merge by
///   it keep the order of each partition.
/// - An event that is in the journal already was published before: it only leaves the outbox.
macro_rules! move_rows {
    ($rows:literal) => {
        concat!(
            "INSERT INTO journal (partition, position, published_at, ",
            envelope_columns!(),
            ") SELECT $1, \
               coalesce((SELECT position FROM journal_heads WHERE partition = $1), 0) \
                   + row_number() OVER (ORDER BY id), \
               max($3, coalesce((SELECT published_at FROM journal WHERE partition = $1 \
                                 ORDER BY position DESC LIMIT 1), $3)), ",
            envelope_columns!(),
            " FROM outbox WHERE id IN (",
            $rows,
            ") AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.event_id = outbox.event_id); \
             INSERT INTO journal_heads (partition, position) \
                 SELECT $1, max(position) FROM journal WHERE partition = $1 HAVING max(position) IS NOT NULL \
                 ON CONFLICT DO UPDATE SET position = max(position, excluded.position); \
             DELETE FROM outbox WHERE id IN (",
            $rows,
            ")"
        )
    };
}

impl SqliteDatabase {
    /// Runs a move under a lease. Answers how many rows have left the outbox.
    async fn move_rows(&self, lease: &Lease, statement: Statement) -> Result<u64, StorageError> {
        let mut unit = self.inner.writer.begin_now().await?;
        require_lease(&mut unit, lease).await?;
        let moved = unit.execute(statement).await?;
        unit.touch_journal();
        unit.finish().await?;
        Ok(moved)
    }
}

/// Fails unless the lease still belongs to whom it was given to.
async fn require_lease(unit: &mut WriteUnit, lease: &Lease) -> Result<(), StorageError> {
    let select = Statement::new(
        "check lease",
        "SELECT 1 AS held FROM leases WHERE scope = ? AND partition = ? AND epoch = ? AND owner IS NOT NULL",
    )
    .bind(lease.scope.as_str())
    .bind(lease.partition.0)
    .bind(lease.epoch);
    match unit.fetch_optional(select, |row| row.try_get::<i64, _>("held")).await? {
        Some(_) => Ok(()),
        None => Err(fenced("check lease")),
    }
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
        self.read(select.bind(partition.0).bind(after).bind(limit), rows::outbox_entry).await
    }

    async fn complete(&self, lease: &Lease, partition: Partition, rows: &[i64]) -> Result<u64, StorageError> {
        let ids = serde_json::to_string(rows)
            .map_err(|error| StorageError::new(StorageErrorKind::Other, "complete outbox rows", error))?;
        let statement = Statement::new(
            "complete outbox rows",
            move_rows!("SELECT o.id FROM json_each($2) r JOIN outbox o ON o.id = r.value AND o.partition = $1"),
        );
        let statement = statement.bind(partition.0).bind(ids).bind_time(self.inner.clock.now());
        self.move_rows(lease, statement).await
    }

    async fn complete_oldest(&self, lease: &Lease, partition: Partition, limit: u32) -> Result<u64, StorageError> {
        let statement = Statement::new(
            "complete oldest outbox rows",
            move_rows!("SELECT o.id FROM outbox o WHERE o.partition = $1 ORDER BY o.id LIMIT $2"),
        );
        let statement = statement.bind(partition.0).bind(limit).bind_time(self.inner.clock.now());
        self.move_rows(lease, statement).await
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        // The oldest is the one with the lowest row: only a handful of rows can have been recorded out of order.
        let select = Statement::new(
            "read outbox depth",
            "SELECT count(*) AS events, (SELECT recorded_at FROM outbox ORDER BY id LIMIT 1) AS oldest FROM outbox",
        );
        let depth = self
            .read_optional(select, |row| {
                let oldest: Option<i64> = row.try_get("oldest")?;
                let oldest = oldest
                    .map(Timestamp::from_microsecond)
                    .transpose()
                    .map_err(|error| sqlx::Error::Decode(error.into()))?;
                Ok(OutboxDepth { events: rows::unsigned(row, "events")?, oldest })
            })
            .await?;
        Ok(depth.unwrap_or_default())
    }
}
