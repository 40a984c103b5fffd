use std::collections::HashSet;

use activelog_application::ports::{
    JOURNAL_PAGE_MAX, Journal, JournalCursor, JournalEntry, PARTITIONS, Partition, StorageError, StorageErrorKind,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use sqlx::postgres::PgRow;

use super::{
    database::PgDatabase,
    envelope::{bind, envelope, envelope_columns, envelope_rows, stored_partition},
    rows::{Columns, signed},
};

/// How often an event may turn up in the journal between looking for it there and appending it.
const ATTEMPTS: usize = 5;

/// Appends `$1` to `$15` at `$16`. Heads are locked in the order of partitions, so that two who append do not wait for each other.
const APPEND: &str = concat!(
    "WITH fresh AS MATERIALIZED (SELECT e.*, row_number() OVER (PARTITION BY partition ORDER BY ordinal) AS place FROM ",
    envelope_rows!(),
    " WHERE NOT EXISTS (SELECT FROM journal WHERE journal.event_id = e.event_id)), \
     counted AS MATERIALIZED (SELECT partition, count(*) AS events FROM fresh GROUP BY partition), \
     head AS (INSERT INTO journal_heads AS h (partition, position) \
     SELECT partition, events FROM counted ORDER BY partition \
     ON CONFLICT (partition) DO UPDATE SET position = h.position + EXCLUDED.position RETURNING partition, position) \
     INSERT INTO journal (partition, position, ",
    envelope_columns!(),
    ", published_at) SELECT partition, head.position - counted.events + place, ",
    envelope_columns!(),
    ", $16 FROM fresh JOIN head USING (partition) JOIN counted USING (partition) ORDER BY ordinal"
);

/// Reads from every partition what comes after the cursor (`$1`, `$2`), at most `$3` in all. Positions follow the order of commits,
/// times of publication need not (clocks differ): the running maximum keeps each partition ascending.
const READ_ALL: &str = concat!(
    "SELECT partition, position, published_at, ",
    envelope_columns!(),
    " FROM (SELECT j.partition AS p, j.position AS n, \
     max(j.published_at) OVER (PARTITION BY j.partition ORDER BY j.position) AS at \
     FROM unnest($1::smallint[], $2::bigint[]) AS c (partition, position) CROSS JOIN LATERAL \
     (SELECT partition, position, published_at FROM journal \
     WHERE journal.partition = c.partition AND journal.position > c.position ORDER BY journal.position LIMIT $3) AS j \
     ORDER BY at, p, n LIMIT $3) AS page JOIN journal ON partition = p AND position = n ORDER BY at, p, n"
);

#[async_trait]
impl Journal for PgDatabase {
    async fn read(&self, partition: Partition, position: u64, limit: u32) -> Result<Vec<JournalEntry>, StorageError> {
        const OPERATION: &str = "read journal";
        let query = sqlx::query(concat!(
            "SELECT partition, position, published_at, ",
            envelope_columns!(),
            " FROM journal \
             WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3"
        ));
        let query = query
            .bind(stored_partition(partition.0))
            .bind(signed(position))
            .bind(i64::from(limit.min(JOURNAL_PAGE_MAX)));
        let rows = self.system(OPERATION).await?.rows(OPERATION, query).await?;
        rows.iter().map(|row| entry(row, OPERATION)).collect()
    }

    async fn read_all(&self, cursor: &JournalCursor, limit: u32) -> Result<Vec<JournalEntry>, StorageError> {
        const OPERATION: &str = "read whole journal";
        let partitions: Vec<i16> = (0..PARTITIONS).map(stored_partition).collect();
        let positions: Vec<i64> = cursor.0.iter().copied().map(signed).collect();
        let limit = i64::from(limit.min(JOURNAL_PAGE_MAX));
        let query = sqlx::query(READ_ALL).bind(partitions).bind(positions).bind(limit);
        let rows = self.system(OPERATION).await?.rows(OPERATION, query).await?;
        rows.iter().map(|row| entry(row, OPERATION)).collect()
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        const OPERATION: &str = "read journal heads";
        let query = sqlx::query("SELECT partition, position FROM journal_heads");
        cursor(&self.system(OPERATION).await?.rows(OPERATION, query).await?, OPERATION)
    }

    async fn append(&self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        const OPERATION: &str = "append to journal";
        let mut seen = HashSet::with_capacity(events.len());
        let events: Vec<&EventEnvelope> = events.iter().filter(|event| seen.insert(event.id)).collect();
        if events.is_empty() {
            return Ok(());
        }
        let mut attempts = ATTEMPTS;
        let appended = loop {
            let query = bind(sqlx::query(APPEND), &events).bind(self.shared.clock.now().to_sqlx());
            match self.system(OPERATION).await?.execute(OPERATION, query).await {
                Ok(appended) => break appended,
                // Someone has just appended one of the events: the next attempt sees it there.
                Err(error) if error.kind == StorageErrorKind::Constraint && attempts > 1 => attempts -= 1,
                Err(error) => return Err(error),
            }
        };
        if appended > 0 {
            self.shared.journal_signal.ring();
        }
        Ok(())
    }
}

fn entry(row: &PgRow, operation: &'static str) -> Result<JournalEntry, StorageError> {
    let mut columns = Columns::of(row, operation);
    Ok(JournalEntry {
        partition: Partition(columns.partition()?),
        position: columns.unsigned()?,
        published_at: columns.instant()?,
        event: envelope(&mut columns)?,
    })
}

/// The cursor in rows of partition and position. Partitions beyond those this program knows are left out.
pub(super) fn cursor(rows: &[PgRow], operation: &'static str) -> Result<JournalCursor, StorageError> {
    let mut cursor = JournalCursor::default();
    for row in rows {
        let mut columns = Columns::of(row, operation);
        if let Some(position) = cursor.0.get_mut(usize::from(columns.partition()?)) {
            *position = columns.unsigned()?;
        }
    }
    Ok(cursor)
}
