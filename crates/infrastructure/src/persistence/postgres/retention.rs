use activelog_application::ports::{JournalSpan, Partition, PrunedUpTo, Retention, StorageError};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{database::PgDatabase, envelope::stored_partition, rows::Columns, session::PgQuery};

/// The records of an age that nobody can need: see the port.
const PRUNE_INBOX: &str = "DELETE FROM inbox AS i WHERE ($1::timestamptz IS NULL OR taken_at > $1) AND taken_at <= $2 \
     AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.event_id = i.event_id) \
     AND NOT EXISTS (SELECT FROM journal AS j JOIN group_positions AS g USING (partition) \
     WHERE j.event_id = i.event_id AND g.position < j.position) \
     AND NOT EXISTS (SELECT FROM parked AS p WHERE p.handler = i.handler AND p.event_id = i.event_id) \
     AND NOT EXISTS (SELECT FROM dead_letters AS d WHERE d.handler = i.handler AND d.event_id = i.event_id \
     AND d.state <> 'replayed')";

const PRUNE_JOURNAL: &str = "DELETE FROM journal WHERE partition = $1 AND NOT EXISTS (SELECT FROM handler_replays) \
     AND position <= (SELECT max(o.position) \
     FROM (SELECT position, published_at FROM journal WHERE partition = $1 ORDER BY position LIMIT $2) AS o \
     WHERE o.published_at < $3 AND o.position < (SELECT max(position) FROM journal WHERE partition = $1) \
     AND o.position <= coalesce((SELECT min(position) FROM group_positions WHERE partition = $1), o.position))";

impl PgDatabase {
    async fn prune(&self, operation: &'static str, query: PgQuery) -> Result<u64, StorageError> {
        self.system(operation).await?.execute(operation, query).await
    }
}

#[async_trait]
impl Retention for PgDatabase {
    async fn prune_inbox(
        &self,
        after: Option<Timestamp>,
        before: Timestamp,
        limit: u32,
    ) -> Result<PrunedUpTo, StorageError> {
        const OPERATION: &str = "prune inbox";
        let after = after.map(|after| after.to_sqlx());
        let look = sqlx::query(
            "SELECT count(*), max(taken_at) FROM (SELECT taken_at FROM inbox \
             WHERE ($1::timestamptz IS NULL OR taken_at > $1) AND taken_at < $2 ORDER BY taken_at LIMIT $3) AS oldest",
        );
        let look = look.bind(after).bind(before.to_sqlx()).bind(i64::from(limit.max(1)));
        let row = self.system(OPERATION).await?.one(OPERATION, look).await?;
        let mut columns = Columns::of(&row, OPERATION);
        let records = columns.unsigned()?;
        let Some(newest) = columns.instant_or_null()? else { return Ok(PrunedUpTo::default()) };
        let delete = sqlx::query(PRUNE_INBOX).bind(after).bind(newest.to_sqlx());
        let removed = self.prune(OPERATION, delete).await?;
        Ok(PrunedUpTo { removed, reached: (records >= u64::from(limit.max(1))).then_some(newest) })
    }

    async fn journal_spans(&self) -> Result<Vec<JournalSpan>, StorageError> {
        const OPERATION: &str = "read journal spans";
        // Two index probes for each partition.
        let query = sqlx::query(
            "SELECT h.partition, f.position, l.position, f.published_at FROM journal_heads AS h \
             CROSS JOIN LATERAL (SELECT position, published_at FROM journal WHERE partition = h.partition \
             ORDER BY position LIMIT 1) AS f \
             CROSS JOIN LATERAL (SELECT position FROM journal WHERE partition = h.partition \
             ORDER BY position DESC LIMIT 1) AS l ORDER BY h.partition",
        );
        let rows = self.system(OPERATION).await?.rows(OPERATION, query).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row, OPERATION);
                Ok(JournalSpan {
                    partition: Partition(columns.partition()?),
                    first: columns.unsigned()?,
                    last: columns.unsigned()?,
                    oldest: columns.instant()?,
                })
            })
            .collect()
    }

    async fn prune_journal(&self, partition: Partition, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let query = sqlx::query(PRUNE_JOURNAL);
        let query = query.bind(stored_partition(partition.0)).bind(i64::from(limit)).bind(before.to_sqlx());
        self.prune("prune journal", query).await
    }

    async fn prune_idempotency_keys(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let query = sqlx::query(
            "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY(SELECT ctid FROM idempotency_keys \
             WHERE created_at < $1 ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))",
        );
        self.prune("prune idempotency keys", query.bind(before.to_sqlx()).bind(i64::from(limit))).await
    }

    async fn prune_crash_marks(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let query = sqlx::query(
            "DELETE FROM crash_marks WHERE ctid = ANY(ARRAY(SELECT ctid FROM crash_marks WHERE marked_at < $1 \
             LIMIT $2 FOR UPDATE SKIP LOCKED))",
        );
        self.prune("prune crash marks", query.bind(before.to_sqlx()).bind(i64::from(limit))).await
    }

    async fn prune_worker_runs(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        let query = sqlx::query(
            "DELETE FROM worker_runs WHERE ctid = ANY(ARRAY(SELECT ctid FROM worker_runs WHERE seen_at < $1 \
             LIMIT $2 FOR UPDATE SKIP LOCKED))",
        );
        self.prune("prune worker runs", query.bind(before.to_sqlx()).bind(i64::from(limit))).await
    }
}
