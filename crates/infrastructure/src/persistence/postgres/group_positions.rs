use std::collections::BTreeMap;

use activelog_application::ports::{GroupPositions, JournalCursor, Lease, PARTITIONS, StorageError};
use async_trait::async_trait;

use super::{
    database::PgDatabase,
    envelope::stored_partition,
    error::fenced,
    journal::cursor,
    lease_store::commit,
    rows::{Columns, signed},
};

/// Moves group `$1` to `$4` on the partitions `$2` with the epochs `$3`, if all those leases hold. The locks on the leases keep
/// them from changing hands until the move is committed.
const ADVANCE: &str = "WITH wanted AS (SELECT * FROM unnest($2::smallint[], $3::bigint[], $4::bigint[]) AS w (partition, epoch, position)), \
     held AS MATERIALIZED (SELECT l.partition FROM leases AS l JOIN wanted AS w USING (partition, epoch) \
     WHERE l.scope = $5 AND l.owner IS NOT NULL ORDER BY l.partition FOR SHARE OF l), \
     moved AS (INSERT INTO group_positions AS g (group_name, partition, position) \
     SELECT $1, partition, position FROM wanted \
     WHERE (SELECT count(*) FROM held) = (SELECT count(*) FROM wanted) ORDER BY partition \
     ON CONFLICT (group_name, partition) DO UPDATE SET position = EXCLUDED.position WHERE g.position < EXCLUDED.position) \
     SELECT (SELECT count(*) FROM held) = (SELECT count(*) FROM wanted)";

#[async_trait]
impl GroupPositions for PgDatabase {
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError> {
        const OPERATION: &str = "join group";
        let partitions: Vec<i16> = (0..PARTITIONS).map(stored_partition).collect();
        let positions: Vec<i64> = start.0.iter().copied().map(signed).collect();
        let query = sqlx::query(
            "INSERT INTO group_positions (group_name, partition, position) \
             SELECT $1, p, n FROM unnest($2::smallint[], $3::bigint[]) AS s (p, n) ORDER BY p ON CONFLICT DO NOTHING",
        );
        let query = query.bind(group).bind(partitions).bind(positions);
        self.system(OPERATION).await?.execute(OPERATION, query).await?;
        self.positions(group).await
    }

    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError> {
        const OPERATION: &str = "read group positions";
        let query = sqlx::query("SELECT partition, position FROM group_positions WHERE group_name = $1").bind(group);
        cursor(&self.system(OPERATION).await?.rows(OPERATION, query).await?, OPERATION)
    }

    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError> {
        const OPERATION: &str = "advance group";
        let scope = format!("group:{group}");
        // One row per partition, since a statement may touch each only once.
        let mut wanted: BTreeMap<u16, (i64, u64)> = BTreeMap::new();
        for (lease, position) in to {
            let (epoch, furthest) = wanted.entry(lease.partition.0).or_insert((lease.epoch, *position));
            if lease.scope != scope || *epoch != lease.epoch {
                return Err(fenced(OPERATION));
            }
            *furthest = (*furthest).max(*position);
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let query = sqlx::query(ADVANCE)
            .bind(group)
            .bind(wanted.keys().copied().map(stored_partition).collect::<Vec<_>>())
            .bind(wanted.values().map(|(epoch, _)| *epoch).collect::<Vec<_>>())
            .bind(wanted.values().map(|(_, position)| signed(*position)).collect::<Vec<_>>())
            .bind(scope);
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        if Columns::of(&row, OPERATION).take()? { Ok(()) } else { Err(fenced(OPERATION)) }
    }

    async fn is_known(&self, group: &str) -> Result<bool, StorageError> {
        const OPERATION: &str = "look for a group";
        let query = sqlx::query("SELECT EXISTS (SELECT FROM group_positions WHERE group_name = $1)").bind(group);
        let row = self.system(OPERATION).await?.one(OPERATION, query).await?;
        Columns::of(&row, OPERATION).take()
    }

    async fn remove(&self, group: &str) -> Result<bool, StorageError> {
        const OPERATION: &str = "remove group";
        let scope = format!("group:{group}");
        let mut session = self.locked(&scope, OPERATION).await?;
        let living = sqlx::query(
            "SELECT EXISTS (SELECT FROM lease_members WHERE scope = $1 AND expires_at > clock_timestamp())",
        );
        let row = session.one(OPERATION, living.bind(&scope)).await?;
        let living: bool = Columns::of(&row, OPERATION).take()?;
        if !living {
            let forget = sqlx::query(
                "WITH positions AS (DELETE FROM group_positions WHERE group_name = $1), \
                 members AS (DELETE FROM lease_members WHERE scope = $2) DELETE FROM leases WHERE scope = $2",
            );
            session.execute(OPERATION, forget.bind(group).bind(&scope)).await?;
        }
        commit(session, OPERATION).await?;
        Ok(!living)
    }
}
