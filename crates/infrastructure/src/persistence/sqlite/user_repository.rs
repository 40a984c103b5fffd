use activelog_application::{activity::ports::UserRepository, ports::StorageError};
use activelog_domain::{statistics::Figures, user::UserId};
use async_trait::async_trait;
use jiff::Timestamp;

use super::{error_mapping::corrupt, rows, statement::Statement, write_unit::WriteUnit};

/// Users and their totals in a unit of work.
pub(super) struct SqliteUserRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

#[async_trait]
impl UserRepository for SqliteUserRepository<'_> {
    async fn add_to_totals(&mut self, user: UserId, change: Figures, now: Timestamp) -> Result<Figures, StorageError> {
        let upsert = Statement::new(
            "add to totals",
            "INSERT INTO users (id, activities, duration_minutes, distance_metres, calories_burned, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5, $6, $6) \
             ON CONFLICT (id) DO UPDATE SET \
                 activities = activities + excluded.activities, \
                 duration_minutes = duration_minutes + excluded.duration_minutes, \
                 distance_metres = distance_metres + excluded.distance_metres, \
                 calories_burned = calories_burned + excluded.calories_burned, \
                 updated_at = excluded.updated_at \
             RETURNING activities, duration_minutes, distance_metres, calories_burned",
        )
        .bind(user.0)
        .bind_figures(change)
        .bind_time(now);
        let totals = self.unit.fetch_optional(upsert, rows::figures).await?;
        totals.ok_or_else(|| corrupt("add to totals", "the upsert returned no row"))
    }
}
