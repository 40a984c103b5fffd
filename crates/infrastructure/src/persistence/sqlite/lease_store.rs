use std::time::Duration;

use activelog_application::ports::{Lease, LeaseStore, Membership, StorageError, StorageErrorKind};
use async_trait::async_trait;
use jiff::SignedDuration;
use sqlx::Row;

use super::{SqliteDatabase, rows, statement::Statement};

/// The member's heartbeat: `$1` scope, `$2` member, `$3` partitions, `$4` now, `$5` when it expires, `$6` the latest time that an expiry
/// can honestly have. Those that are not alive any more leave first, then every partition has a row, then free ones are taken up
/// to the fair share. A later expiry than `$6` was written by a clock that has since been set back: it counts as passed.
const HEARTBEAT: &str = "
    DELETE FROM lease_members WHERE scope = $1 AND (expires_at <= $4 OR expires_at > $6);
    INSERT INTO lease_members (scope, member, expires_at) VALUES ($1, $2, $5)
        ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at;
    UPDATE leases SET owner = NULL WHERE scope = $1 AND owner <> $2 AND (expires_at <= $4 OR expires_at > $6);
    UPDATE leases SET expires_at = $5 WHERE scope = $1 AND owner = $2;
    WITH RECURSIVE every (partition) AS (
        SELECT 0 WHERE $3 > 0 UNION ALL SELECT partition + 1 FROM every WHERE partition + 1 < $3
    )
    INSERT INTO leases (scope, partition, owner, epoch, expires_at) SELECT $1, partition, NULL, 0, 0 FROM every
        WHERE true ON CONFLICT DO NOTHING;
    UPDATE leases SET owner = $2, epoch = epoch + 1, expires_at = $5
    WHERE scope = $1 AND owner IS NULL AND partition IN (
        SELECT partition FROM leases WHERE scope = $1 AND owner IS NULL AND partition < $3 ORDER BY partition
        LIMIT (SELECT max(0, ($3 + members - 1) / members - held) FROM (
            SELECT (SELECT count(*) FROM lease_members WHERE scope = $1) AS members,
                   (SELECT count(*) FROM leases WHERE scope = $1 AND owner = $2) AS held)));
    SELECT partition, epoch, (SELECT count(*) FROM lease_members WHERE scope = $1) AS members
    FROM leases WHERE scope = $1 AND owner = $2
    UNION ALL SELECT NULL, 0, (SELECT count(*) FROM lease_members WHERE scope = $1)
    ORDER BY partition";

/// How far clocks of living members may differ. An expiry further ahead than this and a lease is not believed.
const CLOCK_STEP: SignedDuration = SignedDuration::from_mins(10);

#[async_trait]
impl LeaseStore for SqliteDatabase {
    async fn heartbeat(
        &self,
        scope: &str,
        member: &str,
        partitions: u16,
        ttl: Duration,
    ) -> Result<Membership, StorageError> {
        let operation = "lease heartbeat";
        let now = self.inner.clock.now();
        let expires_at =
            now.checked_add(ttl).map_err(|error| StorageError::new(StorageErrorKind::Other, operation, error))?;
        let heartbeat = Statement::new(operation, HEARTBEAT)
            .bind(scope)
            .bind(member)
            .bind(partitions)
            .bind_time(now)
            .bind_time(expires_at)
            .bind_time(expires_at.saturating_add(CLOCK_STEP).unwrap_or(expires_at));
        let mut unit = self.inner.writer.begin_now().await?;
        let shares = unit
            .fetch_all(heartbeat, |row| {
                let members: u32 = row.try_get("members")?;
                let lease = match row.try_get::<Option<i64>, _>("partition")? {
                    // The row that is there even when no lease is.
                    None => None,
                    Some(_) => {
                        let (partition, epoch) = (rows::partition(row)?, row.try_get("epoch")?);
                        Some(Lease { scope: scope.to_owned(), partition, epoch })
                    }
                };
                Ok((members, lease))
            })
            .await?;
        unit.finish().await?;
        let members = shares.first().map_or(1, |(members, _)| *members);
        Ok(Membership { members, leases: shares.into_iter().filter_map(|(_, lease)| lease).collect() })
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        if leases.is_empty() {
            return Ok(());
        }
        let mut unit = self.inner.writer.begin_now().await?;
        for lease in leases {
            let update = Statement::new(
                "release lease",
                "UPDATE leases SET owner = NULL WHERE scope = ? AND partition = ? AND epoch = ? AND owner = ?",
            )
            .bind(lease.scope.as_str())
            .bind(lease.partition.0)
            .bind(lease.epoch)
            .bind(member);
            unit.execute(update).await?;
        }
        unit.finish().await
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        let leave = Statement::new(
            "leave scope",
            "UPDATE leases SET owner = NULL WHERE scope = $1 AND owner = $2; \
             DELETE FROM lease_members WHERE scope = $1 AND member = $2",
        );
        let mut unit = self.inner.writer.begin_now().await?;
        unit.execute(leave.bind(scope).bind(member)).await?;
        unit.finish().await
    }
}
