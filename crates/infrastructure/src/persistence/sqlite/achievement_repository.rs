use activelog_application::{
    activity::ports::AchievementRepository,
    ports::{StorageError, StorageErrorKind},
};
use activelog_domain::{
    achievement::{Achievement, Earned, Effort, Milestones},
    activity::{ActivityType, utc_day},
    user::UserId,
};
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{rows, statement::Statement, write_unit::WriteUnit};

/// Achievements in a unit of work.
pub(super) struct SqliteAchievementRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

const MICROSECONDS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// The user's achievements.
pub(super) const EARNED: &str =
    "SELECT code, activity_id, achieved_at, distance_metres FROM achievements WHERE user_id = ? ORDER BY code";

/// Everything achievements follow from, in one round trip and from indexes alone.
///
/// - The nth activity is a step of n along the index: at most 100.
/// - The longest of each type is a seek per type, walking the types by the index.
/// - Of the days only those of the first streak of seven matter, so only those are answered. A candidate is a day with an
///   activity. Of the six days that would have to follow, the *last* one that is missing is looked for: no streak can
///   hold it, so the next candidate is the first day after it. That takes a few seeks per week of the user's history up
///   to the first streak, and never looks beyond it.
const MILESTONES: &str = "
    WITH RECURSIVE
    candidate (day, gap) AS (
        SELECT min(day), NULL FROM efforts WHERE user_id = $1
        UNION ALL
        SELECT
            CASE WHEN gap IS NULL THEN day
                 ELSE (SELECT min(e.day) FROM efforts e WHERE e.user_id = $1 AND e.day > candidate.day + gap) END,
            CASE WHEN gap IS NOT NULL THEN NULL
                 WHEN NOT EXISTS (SELECT 1 FROM efforts e WHERE e.user_id = $1 AND e.day = candidate.day + 6) THEN 6
                 WHEN NOT EXISTS (SELECT 1 FROM efforts e WHERE e.user_id = $1 AND e.day = candidate.day + 5) THEN 5
                 WHEN NOT EXISTS (SELECT 1 FROM efforts e WHERE e.user_id = $1 AND e.day = candidate.day + 4) THEN 4
                 WHEN NOT EXISTS (SELECT 1 FROM efforts e WHERE e.user_id = $1 AND e.day = candidate.day + 3) THEN 3
                 WHEN NOT EXISTS (SELECT 1 FROM efforts e WHERE e.user_id = $1 AND e.day = candidate.day + 2) THEN 2
                 WHEN NOT EXISTS (SELECT 1 FROM efforts e WHERE e.user_id = $1 AND e.day = candidate.day + 1) THEN 1
                 ELSE 0 END
        FROM candidate WHERE day IS NOT NULL AND gap IS NOT 0
    ),
    streak (day, last) AS (
        SELECT day, day + 6 FROM candidate WHERE gap = 0
        UNION ALL
        SELECT day + 1, last FROM streak WHERE day < last
    ),
    kind (activity_type) AS (
        SELECT min(activity_type) FROM efforts WHERE user_id = $1
        UNION ALL
        SELECT (SELECT min(e.activity_type) FROM efforts e
                WHERE e.user_id = $1 AND e.activity_type > kind.activity_type)
        FROM kind WHERE activity_type IS NOT NULL
    ),
    found (what, activity_id) AS (
        SELECT 'first', (SELECT activity_id FROM efforts WHERE user_id = $1
                         ORDER BY day, date, activity_id LIMIT 1)
        UNION ALL
        SELECT 'tenth', (SELECT activity_id FROM efforts WHERE user_id = $1
                         ORDER BY day, date, activity_id LIMIT 1 OFFSET 9)
        UNION ALL
        SELECT 'hundredth', (SELECT activity_id FROM efforts WHERE user_id = $1
                             ORDER BY day, date, activity_id LIMIT 1 OFFSET 99)
        UNION ALL
        SELECT 'day', (SELECT e.activity_id FROM efforts e WHERE e.user_id = $1 AND e.day = streak.day
                       ORDER BY e.date, e.activity_id LIMIT 1)
        FROM streak
        UNION ALL
        SELECT 'longest', (SELECT e.activity_id FROM efforts e
                           WHERE e.user_id = $1 AND e.activity_type = kind.activity_type AND e.distance_metres > 0
                           ORDER BY e.distance_metres DESC, e.date, e.activity_id LIMIT 1)
        FROM kind WHERE activity_type IS NOT NULL
    )
    SELECT f.what, e.activity_id, e.activity_type, e.date, e.distance_metres
    FROM found f CROSS JOIN efforts e ON e.user_id = $1 AND e.activity_id = f.activity_id
    ORDER BY e.day, e.activity_type";

fn found(row: &SqliteRow) -> Result<(String, Effort), sqlx::Error> {
    let invalid = |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
    let metres: Option<i64> = row.try_get("distance_metres")?;
    let effort = Effort {
        activity_id: row.try_get("activity_id")?,
        activity_type: ActivityType::new(row.try_get("activity_type")?).map_err(|error| invalid(error.into()))?,
        date: rows::time(row, "date")?,
        distance_metres: metres.map(u32::try_from).transpose().map_err(|error| invalid(error.into()))?,
    };
    Ok((row.try_get("what")?, effort))
}

/// Days since 1970-01-01 in UTC.
fn day_number(at: Timestamp) -> i64 {
    at.as_microsecond().div_euclid(MICROSECONDS_PER_DAY)
}

#[async_trait]
impl AchievementRepository for SqliteAchievementRepository<'_> {
    async fn lock(&mut self, _user: UserId) -> Result<(), StorageError> {
        // This unit of work is the only one that writes, until it ends.
        Ok(())
    }

    async fn put_effort(&mut self, user: UserId, effort: &Effort) -> Result<(), StorageError> {
        let upsert = Statement::new(
            "put effort",
            "INSERT INTO efforts (user_id, activity_id, activity_type, date, day, distance_metres) \
             VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET activity_type = excluded.activity_type, date = excluded.date, \
                 day = excluded.day, distance_metres = excluded.distance_metres",
        )
        .bind(user.0)
        .bind(effort.activity_id)
        .bind(effort.activity_type.as_str())
        .bind_time(effort.date)
        .bind(day_number(effort.date))
        .bind(effort.distance_metres);
        self.unit.execute(upsert).await.map(drop)
    }

    async fn remove_effort(&mut self, user: UserId, activity_id: Uuid) -> Result<(), StorageError> {
        let delete = Statement::new("remove effort", "DELETE FROM efforts WHERE user_id = ? AND activity_id = ?")
            .bind(user.0)
            .bind(activity_id);
        self.unit.execute(delete).await.map(drop)
    }

    /// Of the days, only those of the first streak of seven are answered; without a streak, none.
    async fn milestones(&mut self, user: UserId) -> Result<Milestones, StorageError> {
        let found = self.unit.fetch_all(Statement::new("read milestones", MILESTONES).bind(user.0), found).await?;
        let mut milestones = Milestones::default();
        for (what, effort) in found {
            let at = (effort.activity_id, effort.date);
            match what.as_str() {
                "first" => milestones.first = Some(at),
                "tenth" => milestones.tenth = Some(at),
                "hundredth" => milestones.hundredth = Some(at),
                "day" => milestones.days.push((utc_day(effort.date), effort.activity_id, effort.date)),
                "longest" => milestones.longest.push(effort),
                _ => return Err(StorageError::new(StorageErrorKind::Other, "read milestones", "an unknown row")),
            }
        }
        milestones.longest.sort_by(|a, b| a.activity_type.cmp(&b.activity_type));
        Ok(milestones)
    }

    async fn list(&mut self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        self.unit.fetch_all(Statement::new("list achievements", EARNED).bind(user.0), rows::earned).await
    }

    async fn put(&mut self, user: UserId, earned: &Earned) -> Result<(), StorageError> {
        let upsert = Statement::new(
            "put achievement",
            "INSERT INTO achievements (user_id, code, activity_id, achieved_at, distance_metres) \
             VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET activity_id = excluded.activity_id, achieved_at = excluded.achieved_at, \
                 distance_metres = excluded.distance_metres",
        )
        .bind(user.0)
        .bind(earned.achievement.code())
        .bind(earned.activity_id)
        .bind_time(earned.achieved_at)
        .bind(earned.distance_metres);
        self.unit.execute(upsert).await.map(drop)
    }

    async fn remove(&mut self, user: UserId, achievement: &Achievement) -> Result<(), StorageError> {
        let delete = Statement::new("remove achievement", "DELETE FROM achievements WHERE user_id = ? AND code = ?")
            .bind(user.0)
            .bind(achievement.code());
        self.unit.execute(delete).await.map(drop)
    }

    async fn clear_efforts(&mut self, limit: u32) -> Result<u64, StorageError> {
        let delete = Statement::new(
            "clear efforts",
            "DELETE FROM efforts WHERE (user_id, activity_id) IN (SELECT user_id, activity_id FROM efforts LIMIT ?)",
        );
        self.unit.execute(delete.bind(limit)).await
    }
}
