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
use jiff_sqlx::ToSqlx;
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{
    database::PgDatabase,
    error::corrupt,
    leaderboard_repository::stored_type,
    rows::{Columns, activity, activity_columns, earned, notification, signed},
};

#[async_trait]
impl Queries for PgDatabase {
    async fn activity(&self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        const OPERATION: &str = "find activity";
        let query = sqlx::query(concat!("SELECT ", activity_columns!(), " FROM activities WHERE id = $1")).bind(id);
        let row = self.reader(OPERATION).await?.row(OPERATION, query).await?;
        row.map(|row| activity(&row, OPERATION)).transpose()
    }

    async fn activities(&self, filter: &ActivityFilter, page: KeysetPage) -> Result<Vec<Activity>, StorageError> {
        const OPERATION: &str = "list activities";
        let rows = self.reader(OPERATION).await?.rows(OPERATION, list_activities(filter, page).build()).await?;
        rows.iter().map(|row| activity(row, OPERATION)).collect()
    }

    async fn totals(&self, user: UserId) -> Result<Option<Figures>, StorageError> {
        const OPERATION: &str = "read totals";
        let query = sqlx::query(
            "SELECT activities, duration_minutes, distance_metres, calories_burned FROM users WHERE id = $1",
        );
        let row = self.reader(OPERATION).await?.row(OPERATION, query.bind(user.0)).await?;
        row.map(|row| Columns::of(&row, OPERATION).figures()).transpose()
    }

    async fn periods(
        &self,
        user: UserId,
        period: Option<Period>,
        limit: u32,
    ) -> Result<Vec<PeriodStatistics>, StorageError> {
        const OPERATION: &str = "list period statistics";
        let query = sqlx::query(
            "SELECT period, start, activities, duration_minutes, distance_metres, calories_burned FROM period_statistics \
             WHERE user_id = $1 AND ($2 IS NULL OR period = $2) ORDER BY start DESC, period LIMIT $3",
        );
        let query = query.bind(user.0).bind(period.map(Period::as_str)).bind(i64::from(limit));
        let rows = self.reader(OPERATION).await?.rows(OPERATION, query).await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::of(row, OPERATION);
                let name: &str = columns.take()?;
                let period =
                    Period::parse(name).ok_or_else(|| corrupt(OPERATION, format!("unknown period {name:?}")))?;
                Ok(PeriodStatistics { period, start: columns.day()?, figures: columns.figures()? })
            })
            .collect()
    }

    async fn notifications(&self, user: UserId, page: KeysetPage) -> Result<Vec<Notification>, StorageError> {
        const OPERATION: &str = "list notifications";
        let mut query = QueryBuilder::<Postgres>::new(
            "SELECT id, user_id, kind, message, created_at, read_at FROM notifications WHERE user_id = ",
        );
        query.push_bind(user.0);
        finish_page(&mut query, page, "created_at");
        let rows = self.reader(OPERATION).await?.rows(OPERATION, query.build()).await?;
        rows.iter().map(|row| notification(row, OPERATION)).collect()
    }

    async fn achievements(&self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        const OPERATION: &str = "list achievements";
        let query = sqlx::query(
            "SELECT code, activity_id, achieved_at, distance_metres FROM achievements WHERE user_id = $1 ORDER BY code",
        );
        let rows = self.reader(OPERATION).await?.rows(OPERATION, query.bind(user.0)).await?;
        rows.iter().map(|row| earned(row, OPERATION)).collect()
    }

    async fn leaderboard(&self, board: &Board, after: u64, limit: u32) -> Result<Vec<Standing>, StorageError> {
        const OPERATION: &str = "read leaderboard";
        let query = sqlx::query(
            "SELECT user_id, activities, duration_minutes, distance_metres, calories_burned FROM leaderboard \
             WHERE period = $1 AND start = $2 AND activity_type = $3 \
             ORDER BY distance_metres DESC, duration_minutes DESC, activities DESC, user_id OFFSET $4 LIMIT $5",
        );
        let query = query
            .bind(board.period.as_str())
            .bind(board.start.to_sqlx())
            .bind(stored_type(board).to_owned())
            .bind(signed(after))
            .bind(i64::from(limit));
        let rows = self.reader(OPERATION).await?.rows(OPERATION, query).await?;
        (after.saturating_add(1)..)
            .zip(&rows)
            .map(|(rank, row)| {
                let mut columns = Columns::of(row, OPERATION);
                Ok(Standing { rank, user_id: UserId(columns.take()?), figures: columns.figures()? })
            })
            .collect()
    }

    async fn ping(&self) -> Result<(), StorageError> {
        const OPERATION: &str = "ping database";
        self.system(OPERATION).await?.execute(OPERATION, sqlx::query("SELECT 1")).await.map(|_| ())
    }
}

/// Only the conditions that are asked for, so that each combination gets a plan that fits it.
fn list_activities(filter: &ActivityFilter, page: KeysetPage) -> QueryBuilder<Postgres> {
    let mut query =
        QueryBuilder::<Postgres>::new(concat!("SELECT ", activity_columns!(), " FROM activities WHERE TRUE"));
    if let Some(user) = filter.user_id {
        query.push(" AND user_id = ").push_bind(user.0);
    }
    if let Some(kind) = &filter.activity_type {
        query.push(" AND activity_type = ").push_bind(kind.as_str().to_owned());
    }
    if let Some(from) = filter.from {
        query.push(" AND activity_date >= ").push_bind(from.to_sqlx());
    }
    if let Some(to) = filter.to {
        query.push(" AND activity_date < ").push_bind(to.to_sqlx());
    }
    finish_page(&mut query, page, "activity_date");
    query
}

/// Adds the page's condition, order and limit; `time` is the name of the column that comes first.
fn finish_page(query: &mut QueryBuilder<Postgres>, page: KeysetPage, time: &'static str) {
    if let Some((at, id)) = page.after {
        query.push(" AND (").push(time).push(", id) < (").push_bind(at.to_sqlx()).push(", ").push_bind(id).push(")");
    }
    query.push(" ORDER BY ").push(time).push(" DESC, id DESC LIMIT ").push_bind(i64::from(page.limit));
}
