use activelog_application::{
    activity::ports::{ActivityFilter, KeysetPage, Queries},
    ports::StorageError,
};
use activelog_domain::{
    achievement::Earned,
    activity::Activity,
    leaderboard::{Board, Standing},
    notification::Notification,
    statistics::{Figures, Period, PeriodStatistics},
    user::UserId,
};
use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use super::{
    SqliteDatabase, achievement_repository::EARNED, leaderboard_repository::bind_board, rows, statement::Statement,
};

#[async_trait]
impl Queries for SqliteDatabase {
    async fn activity(&self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        let sql = format!("SELECT {} FROM activities WHERE id = ?", rows::ACTIVITY);
        self.fetch_optional(Statement::composed("read activity", sql).bind(id), rows::activity).await
    }

    async fn activities(&self, filter: &ActivityFilter, page: KeysetPage) -> Result<Vec<Activity>, StorageError> {
        // Only the conditions that are asked for, so that the indexes fit.
        let mut sql = format!("SELECT {} FROM activities WHERE true", rows::ACTIVITY);
        let conditions = [
            (filter.user_id.is_some(), " AND user_id = ?"),
            (filter.activity_type.is_some(), " AND activity_type = ?"),
            (filter.from.is_some(), " AND activity_date >= ?"),
            (filter.to.is_some(), " AND activity_date < ?"),
            (page.after.is_some(), " AND (activity_date, id) < (?, ?)"),
        ];
        conditions.iter().filter(|(asked, _)| *asked).for_each(|(_, condition)| sql.push_str(condition));
        sql.push_str(" ORDER BY activity_date DESC, id DESC LIMIT ?");
        let mut select = Statement::composed("list activities", sql);
        if let Some(user) = filter.user_id {
            select = select.bind(user.0);
        }
        if let Some(activity_type) = &filter.activity_type {
            select = select.bind(activity_type.as_str());
        }
        for bound in [filter.from, filter.to].into_iter().flatten() {
            select = select.bind_time(bound);
        }
        if let Some((at, id)) = page.after {
            select = select.bind_time(at).bind(id);
        }
        self.fetch(select.bind(page.limit), rows::activity).await
    }

    async fn totals(&self, user: UserId) -> Result<Option<Figures>, StorageError> {
        let select = Statement::new(
            "read totals",
            "SELECT activities, duration_minutes, distance_metres, calories_burned FROM users WHERE id = ?",
        );
        self.fetch_optional(select.bind(user.0), rows::figures).await
    }

    async fn periods(
        &self,
        user: UserId,
        period: Option<Period>,
        limit: u32,
    ) -> Result<Vec<PeriodStatistics>, StorageError> {
        let select = Statement::new(
            "list periods",
            "SELECT period, start, activities, duration_minutes, distance_metres, calories_burned \
             FROM period_statistics WHERE user_id = $1 AND ($2 IS NULL OR period = $2) \
             ORDER BY start DESC, period LIMIT $3",
        );
        let select = select.bind(user.0).bind(period.map(Period::as_str)).bind(limit);
        self.fetch(select, rows::period_statistics).await
    }

    async fn notifications(&self, user: UserId, page: KeysetPage) -> Result<Vec<Notification>, StorageError> {
        let after = if page.after.is_some() { " AND (created_at, id) < (?, ?)" } else { "" };
        let sql = format!(
            "SELECT {} FROM notifications WHERE user_id = ?{after} ORDER BY created_at DESC, id DESC LIMIT ?",
            rows::NOTIFICATION
        );
        let mut select = Statement::composed("list notifications", sql).bind(user.0);
        if let Some((at, id)) = page.after {
            select = select.bind_time(at).bind(id);
        }
        self.fetch(select.bind(page.limit), rows::notification).await
    }

    async fn achievements(&self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        self.fetch(Statement::new("list achievements", EARNED).bind(user.0), rows::earned).await
    }

    async fn leaderboard(&self, board: &Board, after: u64, limit: u32) -> Result<Vec<Standing>, StorageError> {
        let select = Statement::new(
            "read leaderboard",
            "SELECT user_id, activities, duration_minutes, distance_metres, calories_burned FROM leaderboard \
             WHERE period = ? AND start = ? AND activity_type = ? \
             ORDER BY distance_metres DESC, duration_minutes DESC, activities DESC, user_id LIMIT ? OFFSET ?",
        );
        let select = bind_board(select, board).bind(limit).bind_unsigned(after);
        let standings = self.fetch(select, |row| Ok((UserId(row.try_get("user_id")?), rows::figures(row)?))).await?;
        let ranked = (after.saturating_add(1)..).zip(standings);
        Ok(ranked.map(|(rank, (user_id, figures))| Standing { rank, user_id, figures }).collect())
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.fetch(Statement::new("ping", "SELECT 1"), |_| Ok(())).await.map(drop)
    }
}
