use activelog_application::{activity::ports::AchievementRepository, ports::StorageError};
use activelog_domain::{
    achievement::{Achievement, Earned, Effort, Milestones},
    activity::utc_day,
    user::UserId,
};
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{
    rows::{Columns, earned, effort, integer},
    session::Session,
};

/// The first key of the advisory locks that serialise changes to one user's achievements.
const USER_LOCKS: i32 = 0x6163_6865;

/// What achievements follow from, in rows of what, activity, type, date, distance:
///
/// - `n`: of the first hundred activities the 1st, 10th and 100th;
/// - `day`: the first activity of each day, hopping through the index from day to day, up to the end of the first streak;
/// - `longest`: per type the longest, hopping through the index from type to type.
///
/// The cost does not grow with the number of activities but with that of types and of days before the first streak.
const MILESTONES: &str = "WITH RECURSIVE \
     days (activity_id, activity_type, date, distance_metres, length) AS ( \
     (SELECT activity_id, activity_type, date, distance_metres, 1 FROM efforts WHERE user_id = $1 \
     ORDER BY date, activity_id LIMIT 1) \
     UNION ALL SELECT n.activity_id, n.activity_type, n.date, n.distance_metres, \
     CASE WHEN (n.date AT TIME ZONE 'UTC')::date = (d.date AT TIME ZONE 'UTC')::date + 1 THEN d.length + 1 ELSE 1 END \
     FROM days AS d CROSS JOIN LATERAL (SELECT activity_id, activity_type, date, distance_metres FROM efforts AS e \
     WHERE e.user_id = $1 AND e.date >= ((d.date AT TIME ZONE 'UTC')::date + 1)::timestamp AT TIME ZONE 'UTC' \
     ORDER BY e.date, e.activity_id LIMIT 1) AS n WHERE d.length < $2), \
     types (activity_type) AS ( \
     (SELECT activity_type FROM efforts WHERE user_id = $1 AND distance_metres > 0 ORDER BY activity_type LIMIT 1) \
     UNION ALL SELECT n.activity_type FROM types AS t CROSS JOIN LATERAL (SELECT activity_type FROM efforts AS e \
     WHERE e.user_id = $1 AND e.distance_metres > 0 AND e.activity_type > t.activity_type \
     ORDER BY e.activity_type LIMIT 1) AS n) \
     SELECT n::text, activity_id, activity_type, date, distance_metres FROM ( \
     SELECT row_number() OVER (ORDER BY date, activity_id) AS n, activity_id, activity_type, date, distance_metres \
     FROM (SELECT * FROM efforts WHERE user_id = $1 ORDER BY date, activity_id LIMIT 100) AS e) AS numbered \
     WHERE n IN (1, 10, 100) \
     UNION ALL SELECT 'day', activity_id, activity_type, date, distance_metres FROM days \
     UNION ALL SELECT 'longest', b.activity_id, b.activity_type, b.date, b.distance_metres \
     FROM types AS t CROSS JOIN LATERAL (SELECT activity_id, activity_type, date, distance_metres FROM efforts AS e \
     WHERE e.user_id = $1 AND e.activity_type = t.activity_type AND e.distance_metres > 0 \
     ORDER BY e.distance_metres DESC, e.date, e.activity_id LIMIT 1) AS b";

/// Achievements on PostgreSQL.
pub(super) struct PgAchievementRepository<'u>(pub(super) &'u mut Session);

#[async_trait]
impl AchievementRepository for PgAchievementRepository<'_> {
    async fn lock(&mut self, user: UserId) -> Result<(), StorageError> {
        // Two users with the same hash wait for each other and come to no harm.
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2::text))").bind(USER_LOCKS).bind(user.0);
        self.0.execute("lock achievements", lock).await.map(|_| ())
    }

    async fn put_effort(&mut self, user: UserId, effort: &Effort) -> Result<(), StorageError> {
        let query = sqlx::query(
            "INSERT INTO efforts (user_id, activity_id, activity_type, date, distance_metres) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (user_id, activity_id) DO UPDATE SET activity_type = EXCLUDED.activity_type, \
             date = EXCLUDED.date, distance_metres = EXCLUDED.distance_metres",
        );
        let query = query
            .bind(user.0)
            .bind(effort.activity_id)
            .bind(effort.activity_type.as_str())
            .bind(effort.date.to_sqlx())
            .bind(effort.distance_metres.map(integer));
        self.0.execute("put effort", query).await.map(|_| ())
    }

    async fn remove_effort(&mut self, user: UserId, activity_id: Uuid) -> Result<(), StorageError> {
        let query = sqlx::query("DELETE FROM efforts WHERE user_id = $1 AND activity_id = $2");
        self.0.execute("remove effort", query.bind(user.0).bind(activity_id)).await.map(|_| ())
    }

    /// `days` ends with the first streak: later days cannot change what it earns.
    async fn milestones(&mut self, user: UserId) -> Result<Milestones, StorageError> {
        const OPERATION: &str = "find milestones";
        let streak = i32::try_from(activelog_domain::achievement::STREAK_DAYS).unwrap_or(i32::MAX);
        let rows = self.0.rows(OPERATION, sqlx::query(MILESTONES).bind(user.0).bind(streak)).await?;
        let mut milestones = Milestones::default();
        for row in &rows {
            let mut columns = Columns::of(row, OPERATION);
            let what: &str = columns.take()?;
            let effort = effort(&mut columns)?;
            let by = (effort.activity_id, effort.date);
            match what {
                "1" => milestones.first = Some(by),
                "10" => milestones.tenth = Some(by),
                "100" => milestones.hundredth = Some(by),
                "day" => milestones.days.push((utc_day(by.1), by.0, by.1)),
                _ => milestones.longest.push(effort),
            }
        }
        milestones.days.sort_unstable();
        milestones.longest.sort_by(|a, b| a.activity_type.cmp(&b.activity_type));
        Ok(milestones)
    }

    async fn list(&mut self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        const OPERATION: &str = "list achievements";
        let query = sqlx::query(
            "SELECT code, activity_id, achieved_at, distance_metres FROM achievements WHERE user_id = $1 ORDER BY code",
        );
        self.0.rows(OPERATION, query.bind(user.0)).await?.iter().map(|row| earned(row, OPERATION)).collect()
    }

    async fn put(&mut self, user: UserId, earned: &Earned) -> Result<(), StorageError> {
        let query = sqlx::query(
            "INSERT INTO achievements (user_id, code, activity_id, achieved_at, distance_metres) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (user_id, code) DO UPDATE SET activity_id = EXCLUDED.activity_id, \
             achieved_at = EXCLUDED.achieved_at, distance_metres = EXCLUDED.distance_metres",
        );
        let query = query
            .bind(user.0)
            .bind(earned.achievement.code())
            .bind(earned.activity_id)
            .bind(earned.achieved_at.to_sqlx())
            .bind(earned.distance_metres.map(integer));
        self.0.execute("put achievement", query).await.map(|_| ())
    }

    async fn remove(&mut self, user: UserId, achievement: &Achievement) -> Result<(), StorageError> {
        let query = sqlx::query("DELETE FROM achievements WHERE user_id = $1 AND code = $2");
        self.0.execute("remove achievement", query.bind(user.0).bind(achievement.code())).await.map(|_| ())
    }

    async fn clear_efforts(&mut self, limit: u32) -> Result<u64, StorageError> {
        // As an array, so that rows are gone to by their places; `IN` would read the table a second time.
        let query = sqlx::query("DELETE FROM efforts WHERE ctid = ANY (ARRAY(SELECT ctid FROM efforts LIMIT $1))");
        self.0.execute("clear efforts", query.bind(i64::from(limit))).await
    }
}
