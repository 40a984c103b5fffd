use activelog_application::ports::{JournalSpan, Partition, PrunedUpTo, Retention, StorageError};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::{SqliteDatabase, rows, statement::Statement};

/// The records of an age that nobody can need: see the port.
const PRUNE_INBOX: &str = "DELETE FROM inbox WHERE taken_at > ? AND taken_at <= ? \
     AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.event_id = inbox.event_id) \
     AND NOT EXISTS (SELECT 1 FROM journal j JOIN group_positions g ON g.partition = j.partition \
         WHERE j.event_id = inbox.event_id AND g.position < j.position) \
     AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.handler = inbox.handler AND p.event_id = inbox.event_id) \
     AND NOT EXISTS (SELECT 1 FROM dead_letters d WHERE d.handler = inbox.handler AND d.event_id = inbox.event_id \
         AND d.state <> 'replayed')";

const PRUNE_JOURNAL: &str = "DELETE FROM journal WHERE partition = $1 AND NOT EXISTS (SELECT 1 FROM handler_replays) \
     AND position <= (SELECT max(o.position) \
         FROM (SELECT position, published_at FROM journal WHERE partition = $1 ORDER BY position LIMIT $2) o \
         WHERE o.published_at < $3 AND o.position < (SELECT max(position) FROM journal WHERE partition = $1) \
         AND o.position <= coalesce((SELECT min(position) FROM group_positions WHERE partition = $1), o.position))";

fn span(row: &SqliteRow) -> Result<JournalSpan, sqlx::Error> {
    Ok(JournalSpan {
        partition: rows::partition(row)?,
        first: rows::unsigned(row, "first")?,
        last: rows::unsigned(row, "last")?,
        oldest: rows::time(row, "oldest")?,
    })
}

impl SqliteDatabase {
    /// Runs a removal in a short turn of its own.
    async fn prune(&self, statement: Statement) -> Result<u64, StorageError> {
        let mut unit = self.inner.writer.begin_now().await?;
        let removed = unit.execute(statement).await?;
        unit.finish().await?;
        Ok(removed)
    }
}

#[async_trait]
impl Retention for SqliteDatabase {
    async fn prune_inbox(
        &self,
        after: Option<Timestamp>,
        before: Timestamp,
        limit: u32,
    ) -> Result<PrunedUpTo, StorageError> {
        const OPERATION: &str = "prune inbox";
        let after = after.unwrap_or(Timestamp::MIN);
        let look = Statement::new(
            OPERATION,
            "SELECT count(*) AS records, max(taken_at) AS newest FROM (SELECT taken_at FROM inbox \
             WHERE taken_at > ? AND taken_at < ? ORDER BY taken_at LIMIT ?)",
        );
        let look = look.bind_time(after).bind_time(before).bind(limit.max(1));
        let found = self
            .fetch_optional(look, |row| Ok((rows::unsigned(row, "records")?, rows::optional_time(row, "newest")?)))
            .await?;
        // Looking in vain must not cost a write.
        let Some((records, Some(newest))) = found else { return Ok(PrunedUpTo::default()) };
        let removed = self.prune(Statement::new(OPERATION, PRUNE_INBOX).bind_time(after).bind_time(newest)).await?;
        Ok(PrunedUpTo { removed, reached: (records >= u64::from(limit.max(1))).then_some(newest) })
    }

    async fn journal_spans(&self) -> Result<Vec<JournalSpan>, StorageError> {
        // Two index probes for each partition.
        let select = Statement::new(
            "read journal spans",
            "SELECT j.partition, j.position AS first, j.published_at AS oldest, \
             (SELECT max(position) FROM journal WHERE partition = h.partition) AS last \
             FROM journal_heads h JOIN journal j ON j.partition = h.partition \
             AND j.position = (SELECT min(position) FROM journal WHERE partition = h.partition) ORDER BY j.partition",
        );
        self.fetch(select, span).await
    }

    async fn prune_journal(&self, partition: Partition, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new("prune journal", PRUNE_JOURNAL);
        self.prune(delete.bind(partition.0).bind(limit).bind_time(before)).await
    }

    async fn prune_idempotency_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new(
            "prune idempotency keys",
            "DELETE FROM idempotency_keys WHERE (scope, key) IN (SELECT scope, key FROM idempotency_keys \
             WHERE created_at < ? ORDER BY created_at LIMIT ?)",
        );
        self.prune(delete.bind_time(before).bind(limit)).await
    }

    async fn prune_crash_marks(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new(
            "prune crash marks",
            "DELETE FROM crash_marks WHERE (handler, event_id) IN (SELECT handler, event_id FROM crash_marks \
             WHERE marked_at < ? LIMIT ?)",
        );
        self.prune(delete.bind_time(before).bind(limit)).await
    }

    async fn prune_worker_runs(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new(
            "prune worker runs",
            "DELETE FROM worker_runs WHERE (group_name, run) IN (SELECT group_name, run FROM worker_runs \
             WHERE seen_at < ? LIMIT ?)",
        );
        self.prune(delete.bind_time(before).bind(limit)).await
    }
}
