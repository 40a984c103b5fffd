use activelog_application::{activity::ports::UserRepository, ports::StorageError};
use activelog_domain::{statistics::Figures, user::UserId};
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{rows::Columns, session::Session};

/// Users on PostgreSQL.
pub(super) struct PgUserRepository<'u>(pub(super) &'u mut Session);

#[async_trait]
impl UserRepository for PgUserRepository<'_> {
    async fn add_to_totals(&mut self, user: UserId, change: Figures, now: Timestamp) -> Result<(), StorageError> {
        const OPERATION: &str = "add to totals";
        let query = sqlx::query(
            "INSERT INTO users AS u (id, activities, duration_minutes, distance_metres, calories_burned, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $6) \
             ON CONFLICT (id) DO UPDATE SET activities = u.activities + EXCLUDED.activities, \
             duration_minutes = u.duration_minutes + EXCLUDED.duration_minutes, \
             distance_metres = u.distance_metres + EXCLUDED.distance_metres, \
             calories_burned = u.calories_burned + EXCLUDED.calories_burned, updated_at = EXCLUDED.updated_at",
        );
        let query = query
            .bind(user.0)
            .bind(change.activities)
            .bind(change.duration_minutes)
            .bind(change.distance_metres)
            .bind(change.calories_burned)
            .bind(now.to_sqlx());
        self.0.execute(OPERATION, query).await.map(drop)
    }

    async fn totals(&mut self, user: UserId) -> Result<Figures, StorageError> {
        const OPERATION: &str = "read totals";
        let query = sqlx::query(
            "SELECT activities, duration_minutes, distance_metres, calories_burned FROM users WHERE id = $1",
        );
        match self.0.row(OPERATION, query.bind(user.0)).await? {
            Some(row) => Columns::of(&row, OPERATION).figures(),
            None => Ok(Figures::default()),
        }
    }
}
