use activelog_application::{activity::ports::UserRepository, ports::StorageError};
use activelog_domain::{statistics::Figures, user::UserId};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{rows, statement::Statement, write_unit::WriteUnit};

/// Users and their totals in a unit of work.
pub(super) struct SqliteUserRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

#[async_trait]
impl UserRepository for SqliteUserRepository<'_> {
    async fn add_to_totals(&mut self, user: UserId, change: Figures, now: Timestamp) -> Result<(), StorageError> {
        let upsert = Statement::new(
            "add to totals",
            "INSERT INTO users (id, activities, duration_minutes, distance_metres, calories_burned, created_at, \
             updated_at) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET \
                 activities = activities + excluded.activities, \
                 duration_minutes = duration_minutes + excluded.duration_minutes, \
                 distance_metres = distance_metres + excluded.distance_metres, \
                 calories_burned = calories_burned + excluded.calories_burned, \
                 updated_at = excluded.updated_at",
        )
        .bind(user.0)
        .bind_figures(change)
        .bind_time(now)
        .bind_time(now);
        self.unit.write(upsert).await
    }

    async fn totals(&mut self, user: UserId) -> Result<Figures, StorageError> {
        let select = Statement::new(
            "read totals",
            "SELECT activities, duration_minutes, distance_metres, calories_burned FROM users WHERE id = ?",
        );
        Ok(self.unit.fetch_optional(select.bind(user.0), rows::figures).await?.unwrap_or_default())
    }
}
