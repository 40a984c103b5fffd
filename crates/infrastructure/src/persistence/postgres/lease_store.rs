use std::time::Duration;

use activelog_application::ports::{Lease, LeaseStore, Membership, Partition, StorageError};
use async_trait::async_trait;
use sqlx::SqlSafeStr;

use super::{database::PgDatabase, envelope::stored_partition, error::storage_error, rows::Columns, session::Session};

/// The first key of the advisory locks that serialise changes to the leases of one scope.
pub(super) const SCOPE_LOCKS: i32 = 0x6c65_6173;

// An expiry further ahead than its `ttl` and ten minutes was written by a clock that has since been set back: it counts as passed, as
// otherwise a dead member would own its partitions for as long as the clock was wrong.

/// Keeps member `$2` of scope `$1` alive for `$3` microseconds, forgets those who are not, and counts the others who are.
const STAY: &str = "WITH me AS (INSERT INTO lease_members (scope, member, expires_at) \
     VALUES ($1, $2, clock_timestamp() + $3 * interval '1 microsecond') \
     ON CONFLICT (scope, member) DO UPDATE SET expires_at = EXCLUDED.expires_at), \
     gone AS (DELETE FROM lease_members WHERE scope = $1 AND member <> $2 AND (expires_at <= clock_timestamp() \
     OR expires_at > clock_timestamp() + $3 * interval '1 microsecond' + interval '10 minutes')) \
     SELECT count(*) FROM lease_members WHERE scope = $1 AND member <> $2 AND expires_at > clock_timestamp() \
     AND expires_at <= clock_timestamp() + $3 * interval '1 microsecond' + interval '10 minutes'";

/// Renews the leases of `$2` in scope `$1` by `$3` microseconds, and takes free ones of the first `$4` partitions until it has
/// `$5`. A lease that has run out is free, also to the member it was taken from: that member, too, gets a new epoch.
const TAKE: &str = "WITH mine AS MATERIALIZED (SELECT partition FROM leases \
     WHERE scope = $1 AND partition < $4 AND owner = $2 AND expires_at > clock_timestamp()), \
     free AS MATERIALIZED (SELECT partition FROM leases WHERE scope = $1 AND partition < $4 \
     AND partition NOT IN (SELECT partition FROM mine) AND (owner IS NULL OR expires_at <= clock_timestamp() \
     OR expires_at > clock_timestamp() + $3 * interval '1 microsecond' + interval '10 minutes') \
     ORDER BY partition LIMIT greatest(0, $5 - (SELECT count(*) FROM mine))) \
     UPDATE leases SET owner = $2, expires_at = clock_timestamp() + $3 * interval '1 microsecond', \
     epoch = epoch + CASE WHEN partition IN (SELECT partition FROM free) THEN 1 ELSE 0 END \
     WHERE scope = $1 AND (partition IN (SELECT partition FROM mine) OR partition IN (SELECT partition FROM free)) \
     RETURNING partition, epoch";

const LOCKED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '1500ms'; \
     SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '2s'";

#[async_trait]
impl LeaseStore for PgDatabase {
    async fn heartbeat(
        &self,
        scope: &str,
        member: &str,
        partitions: u16,
        ttl: Duration,
    ) -> Result<Membership, StorageError> {
        const OPERATION: &str = "lease heartbeat";
        let microseconds = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
        let mut session = self.locked(scope, OPERATION).await?;
        let stay = sqlx::query(STAY).bind(scope).bind(member).bind(microseconds);
        let row = session.one(OPERATION, stay).await?;
        let members = Columns::of(&row, OPERATION).unsigned()? + 1;
        let declare = sqlx::query(
            "INSERT INTO leases (scope, partition, owner, epoch, expires_at) \
             SELECT $1, p, NULL, 0, '-infinity' FROM generate_series(0, $2 - 1) AS p \
             WHERE NOT EXISTS (SELECT FROM leases WHERE scope = $1 AND partition = p)",
        );
        session.execute(OPERATION, declare.bind(scope).bind(i32::from(partitions))).await?;
        let share = u64::from(partitions).div_ceil(members);
        let take = sqlx::query(TAKE)
            .bind(scope)
            .bind(member)
            .bind(microseconds)
            .bind(stored_partition(partitions))
            .bind(i64::try_from(share).unwrap_or(i64::MAX));
        let rows = session.rows(OPERATION, take).await?;
        let mut leases = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::of(row, OPERATION);
            let partition = Partition(columns.partition()?);
            leases.push(Lease { scope: scope.to_owned(), partition, epoch: columns.take()? });
        }
        leases.sort_by_key(|lease| lease.partition);
        commit(session, OPERATION).await?;
        Ok(Membership { members: u32::try_from(members).unwrap_or(u32::MAX), leases })
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        const OPERATION: &str = "release leases";
        let mut scopes: Vec<&str> = leases.iter().map(|lease| lease.scope.as_str()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        for scope in scopes {
            let of_scope = || leases.iter().filter(|lease| lease.scope == scope);
            let mut session = self.locked(scope, OPERATION).await?;
            let query = sqlx::query(
                "UPDATE leases SET owner = NULL FROM unnest($3::smallint[], $4::bigint[]) AS given (p, e) \
                 WHERE scope = $1 AND owner = $2 AND partition = given.p AND epoch = given.e",
            );
            let query = query
                .bind(scope)
                .bind(member)
                .bind(of_scope().map(|lease| stored_partition(lease.partition.0)).collect::<Vec<_>>())
                .bind(of_scope().map(|lease| lease.epoch).collect::<Vec<_>>());
            session.execute(OPERATION, query).await?;
            commit(session, OPERATION).await?;
        }
        Ok(())
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        const OPERATION: &str = "leave lease scope";
        let mut session = self.locked(scope, OPERATION).await?;
        let leave = sqlx::query(
            "WITH gone AS (DELETE FROM lease_members WHERE scope = $1 AND member = $2) \
             UPDATE leases SET owner = NULL WHERE scope = $1 AND owner = $2",
        );
        session.execute(OPERATION, leave.bind(scope).bind(member)).await?;
        commit(session, OPERATION).await
    }
}

impl PgDatabase {
    /// A transaction in which nobody else changes the leases of the scope. A member that freezes in the middle of it must not hold up
    /// the others for longer than their leases last: the server ends it.
    pub(super) async fn locked(&self, scope: &str, operation: &'static str) -> Result<Session, StorageError> {
        let mut session = self.system(operation).await?;
        session.begin(LOCKED.into_sql_str()).await?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))").bind(SCOPE_LOCKS).bind(scope);
        session.execute(operation, lock).await?;
        Ok(session)
    }
}

pub(super) async fn commit(mut session: Session, operation: &'static str) -> Result<(), StorageError> {
    session.commit().await.map_err(|error| storage_error(operation, error))
}
