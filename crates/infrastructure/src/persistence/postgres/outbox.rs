use activelog_application::ports::{
    Lease, Outbox, OutboxDepth, OutboxEntry, OutboxStore, PARTITIONS, Partition, StorageError, StorageErrorKind,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{
    database::PgDatabase,
    envelope::{bind, bind_one, envelope, envelope_columns, envelope_rows, stored_partition},
    error::fenced,
    rows::Columns,
    scheduled_events,
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

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        let insert = scheduled_events::insert(event, due, self.0.shared.clock.now());
        self.0.session.execute("schedule event", insert).await.map(|_| ())
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        let delete = scheduled_events::delete(event_id);
        Ok(self.0.session.execute("cancel scheduled event", delete).await? == 1)
    }
}

/// Moves rows of the outbox to the journal without their passing through the client. `$1` to `$3` are scopes, partitions and epochs
/// of the leases, `$4` chooses among the rows of their partitions, `$5` is the time of publication.
///
/// The locks on the leases' rows keep the leases from changing hands until the move is committed. Nothing is deleted unless all of
/// them are held, so that `$2` is what is held. The locks on the partitions' heads make positions follow the order of commits, without
/// gaps. An event that is in the journal already leaves the outbox without another position.
macro_rules! move_rows {
    ($chosen:literal) => {
        concat!(
            "WITH held AS MATERIALIZED (SELECT l.partition FROM leases AS l \
             JOIN unnest($1::text[], $2::smallint[], $3::bigint[]) AS given (scope, partition, epoch) \
             ON l.scope = given.scope AND l.partition = given.partition AND l.epoch = given.epoch \
             WHERE l.owner IS NOT NULL ORDER BY l.scope, l.partition FOR SHARE OF l), \
             gone AS (DELETE FROM outbox WHERE partition = ANY($2) AND id ",
            $chosen,
            " AND (SELECT count(*) FROM held) = cardinality($2) RETURNING id, partition, ",
            envelope_columns!(),
            "), fresh AS MATERIALIZED (SELECT gone.*, row_number() OVER (PARTITION BY partition ORDER BY id) AS place, \
             count(*) OVER (PARTITION BY partition) AS places FROM gone \
             WHERE NOT EXISTS (SELECT FROM journal WHERE journal.event_id = gone.event_id)), \
             head AS (INSERT INTO journal_heads AS h (partition, position) \
             SELECT partition, count(*) FROM fresh GROUP BY partition ORDER BY partition \
             ON CONFLICT (partition) DO UPDATE SET position = h.position + EXCLUDED.position \
             RETURNING partition AS head_partition, position AS last), \
             moved AS (INSERT INTO journal (partition, position, ",
            envelope_columns!(),
            ", published_at) SELECT partition, last - places + place, ",
            envelope_columns!(),
            ", $5 FROM fresh JOIN head ON head_partition = partition ORDER BY partition, place) \
             SELECT (SELECT count(*) FROM held), (SELECT count(*) FROM gone)"
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

    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError> {
        let leases = std::slice::from_ref(lease);
        self.move_to_journal("complete outbox rows", leases, || {
            under(sqlx::query(move_rows!("= ANY($4)")), leases).bind(rows.to_vec())
        })
        .await
    }

    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError> {
        self.move_to_journal("complete oldest outbox rows", leases, || {
            // Whatever the statistics say: the oldest of each partition come from its index, so that a batch costs the same however
            // long the backlog; and, given as an array rather than a join, they are deleted through the primary key.
            let statement = move_rows!(
                "= ANY(ARRAY(SELECT oldest.id FROM held CROSS JOIN LATERAL (SELECT o.id FROM outbox AS o \
                 WHERE o.partition = held.partition ORDER BY o.id LIMIT $4) AS oldest ORDER BY oldest.id LIMIT $4))"
            );
            under(sqlx::query(statement), leases).bind(i64::from(limit))
        })
        .await
    }

    async fn waiting(&self) -> Result<Vec<Partition>, StorageError> {
        const OPERATION: &str = "look for outbox rows";
        // One index probe per partition, however much waits.
        let query = sqlx::query(
            "SELECT p::smallint FROM generate_series(0, $1 - 1) AS p WHERE EXISTS (SELECT FROM outbox WHERE partition = p)",
        );
        let rows = self.system(OPERATION).await?.rows(OPERATION, query.bind(i32::from(PARTITIONS))).await?;
        rows.iter().map(|row| Columns::of(row, OPERATION).partition().map(Partition)).collect()
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        const OPERATION: &str = "measure outbox";
        let query = sqlx::query("SELECT count(*), min(recorded_at) FROM outbox");
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        let mut columns = Columns::of(&row, OPERATION);
        Ok(OutboxDepth { events: columns.unsigned()?, oldest: columns.instant_or_null()? })
    }

    async fn depth_within(&self, bound: u32, spared: u32) -> Result<OutboxDepth, StorageError> {
        const OPERATION: &str = "measure outbox";
        let query = sqlx::query(
            "SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS counted), \
             (SELECT recorded_at FROM outbox ORDER BY id LIMIT 1 OFFSET $2)",
        );
        let query = query.bind(i64::from(bound)).bind(i64::from(spared));
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        let mut columns = Columns::of(&row, OPERATION);
        Ok(OutboxDepth { events: columns.unsigned()?, oldest: columns.instant_or_null()? })
    }
}

/// Binds `$1` to `$3`.
fn under(query: PgQuery, leases: &[Lease]) -> PgQuery {
    query
        .bind(leases.iter().map(|lease| lease.scope.clone()).collect::<Vec<_>>())
        .bind(leases.iter().map(|lease| stored_partition(lease.partition.0)).collect::<Vec<_>>())
        .bind(leases.iter().map(|lease| lease.epoch).collect::<Vec<_>>())
}

impl PgDatabase {
    /// Runs a move and tells others of it. Answers how many rows left the outbox.
    async fn move_to_journal(
        &self,
        operation: &'static str,
        leases: &[Lease],
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
        if held != leases.len() as u64 {
            return Err(fenced(operation));
        }
        if moved > 0 {
            self.shared.journal_signal.ring();
        }
        Ok(moved)
    }
}
