use activelog_application::ports::{
    Lease, Outbox, OutboxDepth, OutboxEntry, OutboxStore, Partition, StorageError, StorageErrorKind,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;

use super::{
    database::PgDatabase,
    envelope::{bind, bind_one, envelope, envelope_columns, envelope_rows, stored_partition},
    error::fenced,
    rows::Columns,
    session::PgQuery,
    unit_of_work::PgUnitOfWork,
};

/// The transactional side of the outbox on PostgreSQL.
pub(super) struct PgOutbox<'u>(pub(super) &'u mut PgUnitOfWork);

const APPEND_ONE: &str = concat!(
    "INSERT INTO outbox (partition, ",
    envelope_columns!(),
    ", recorded_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
);

const APPEND: &str = concat!(
    "INSERT INTO outbox (partition, ",
    envelope_columns!(),
    ", recorded_at) SELECT partition, ",
    envelope_columns!(),
    ", $16 FROM ",
    envelope_rows!(),
    " ORDER BY ordinal"
);

#[async_trait]
impl Outbox for PgOutbox<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        let now = self.0.shared.clock.now().to_sqlx();
        let query = match events {
            [] => return Ok(()),
            // By far the most common, and unnesting fifteen arrays costs the server more than the insert.
            [event] => bind_one(sqlx::query(APPEND_ONE), event),
            events => bind(sqlx::query(APPEND), &events.iter().collect::<Vec<_>>()),
        };
        let query = query.bind(now);
        self.0.session.execute("append to outbox", query).await?;
        self.0.recorded = true;
        Ok(())
    }
}

/// Moves rows of the outbox to the journal without their passing through the client. `$1` to `$3` are scope, partition and epoch
/// of the lease, `$4` the partition, `$5` chooses the rows, `$6` is the time of publication.
///
/// The lock on the lease's row keeps the lease from changing hands until the move is committed. The one on the partition's head makes
/// positions follow the order of commits, without gaps. An event that is in the journal already leaves the outbox without another
/// position.
macro_rules! move_rows {
    ($chosen:literal) => {
        concat!(
            "WITH lease AS MATERIALIZED (SELECT 1 FROM leases \
             WHERE scope = $1 AND partition = $2 AND epoch = $3 AND owner IS NOT NULL FOR SHARE), \
             gone AS (DELETE FROM outbox WHERE partition = $4 AND id ",
            $chosen,
            " AND EXISTS (SELECT FROM lease) RETURNING id, ",
            envelope_columns!(),
            "), fresh AS MATERIALIZED (SELECT gone.*, row_number() OVER (ORDER BY id) AS place FROM gone \
             WHERE NOT EXISTS (SELECT FROM journal WHERE journal.event_id = gone.event_id)), \
             head AS (INSERT INTO journal_heads AS h (partition, position) \
             SELECT $4, count(*) FROM fresh HAVING count(*) > 0 \
             ON CONFLICT (partition) DO UPDATE SET position = h.position + EXCLUDED.position RETURNING position), \
             moved AS (INSERT INTO journal (partition, position, ",
            envelope_columns!(),
            ", published_at) SELECT $4, head.position - (SELECT count(*) FROM fresh) + place, ",
            envelope_columns!(),
            ", $6 FROM fresh CROSS JOIN head ORDER BY place) \
             SELECT (SELECT count(*) FROM lease), (SELECT count(*) FROM gone)"
        )
    };
}

/// How often an event may turn up in the journal between looking for it there and moving it.
const ATTEMPTS: usize = 5;

#[async_trait]
impl OutboxStore for PgDatabase {
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError> {
        const OPERATION: &str = "read outbox";
        let query = sqlx::query(concat!(
            "SELECT id, ",
            envelope_columns!(),
            " FROM outbox WHERE partition = $1 AND id > $2 ORDER BY id LIMIT $3"
        ));
        let query = query.bind(stored_partition(partition.0)).bind(after).bind(i64::from(limit));
        let rows = self.system(OPERATION).await?.rows(OPERATION, query).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row, OPERATION);
                Ok(OutboxEntry { id: columns.take()?, event: envelope(&mut columns)? })
            })
            .collect()
    }

    async fn complete(&self, lease: &Lease, partition: Partition, rows: &[i64]) -> Result<u64, StorageError> {
        self.move_to_journal("complete outbox rows", || {
            choose(sqlx::query(move_rows!("= ANY($5)")), lease, partition).bind(rows.to_vec())
        })
        .await
    }

    async fn complete_oldest(&self, lease: &Lease, partition: Partition, limit: u32) -> Result<u64, StorageError> {
        self.move_to_journal("complete oldest outbox rows", || {
            // An array rather than a join: whatever the statistics say, the rows are found through the primary key.
            let statement =
                move_rows!("= ANY(ARRAY(SELECT o.id FROM outbox AS o WHERE o.partition = $4 ORDER BY o.id LIMIT $5))");
            choose(sqlx::query(statement), lease, partition).bind(i64::from(limit))
        })
        .await
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        const OPERATION: &str = "measure outbox";
        let query = sqlx::query("SELECT count(*), min(recorded_at) FROM outbox");
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        let mut columns = Columns::of(&row, OPERATION);
        Ok(OutboxDepth { events: columns.unsigned()?, oldest: columns.instant_or_null()? })
    }
}

/// Binds `$1` to `$4`.
fn choose(query: PgQuery, lease: &Lease, partition: Partition) -> PgQuery {
    query
        .bind(lease.scope.clone())
        .bind(stored_partition(lease.partition.0))
        .bind(lease.epoch)
        .bind(stored_partition(partition.0))
}

impl PgDatabase {
    /// Runs a move and tells others of it. Answers how many rows left the outbox.
    async fn move_to_journal(
        &self,
        operation: &'static str,
        statement: impl Fn() -> PgQuery + Send + Sync,
    ) -> Result<u64, StorageError> {
        let mut attempts = ATTEMPTS;
        let row = loop {
            let query = statement().bind(self.shared.clock.now().to_sqlx());
            match self.system(operation).await?.one(operation, query).await {
                Ok(row) => break row,
                // Someone has just put one of the events into the journal: the next attempt sees it there.
                Err(error) if error.kind == StorageErrorKind::Constraint && attempts > 1 => attempts -= 1,
                Err(error) => return Err(error),
            }
        };
        let mut columns = Columns::of(&row, operation);
        let (held, moved): (u64, u64) = (columns.unsigned()?, columns.unsigned()?);
        if held == 0 {
            return Err(fenced(operation));
        }
        if moved > 0 {
            self.shared.journal_signal.ring();
        }
        Ok(moved)
    }
}
