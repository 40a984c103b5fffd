use activelog_application::{activity::ports::ActivityRepository, ports::StorageError};
use activelog_domain::{activity::Activity, user::UserId};
use async_trait::async_trait;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{
    rows::{activity, activity_columns, integer, signed},
    session::{PgQuery, Session},
};

/// Activities on PostgreSQL.
pub(super) struct PgActivityRepository<'u>(pub(super) &'u mut Session);

#[async_trait]
impl ActivityRepository for PgActivityRepository<'_> {
    async fn insert(&mut self, activity: &Activity) -> Result<(), StorageError> {
        let insert = sqlx::query(concat!(
            "INSERT INTO activities (",
            activity_columns!(),
            ") \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        ));
        let query = bind(insert, activity).bind(activity.created_at.to_sqlx()).bind(activity.updated_at.to_sqlx());
        self.0.execute("insert activity", query).await.map(|_| ())
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        const OPERATION: &str = "find activity for update";
        let query =
            sqlx::query(concat!("SELECT ", activity_columns!(), " FROM activities WHERE id = $1 FOR UPDATE")).bind(id);
        self.0.row(OPERATION, query).await?.map(|row| activity(&row, OPERATION)).transpose()
    }

    async fn update(&mut self, activity: &Activity) -> Result<bool, StorageError> {
        let update = sqlx::query(
            "UPDATE activities SET user_id = $2, activity_type = $3, title = $4, description = $5, \
             duration_minutes = $6, distance_metres = $7, calories_burned = $8, notes = $9, tags = $10, \
             activity_date = $11, version = $12, updated_at = $13 WHERE id = $1 AND version = $12 - 1",
        );
        let query = bind(update, activity).bind(activity.updated_at.to_sqlx());
        Ok(self.0.execute("update activity", query).await? == 1)
    }

    async fn delete(&mut self, id: Uuid, version: u64) -> Result<bool, StorageError> {
        let query = sqlx::query("DELETE FROM activities WHERE id = $1 AND version = $2").bind(id).bind(signed(version));
        Ok(self.0.execute("delete activity", query).await? == 1)
    }

    async fn record_import(
        &mut self,
        user: UserId,
        source: &str,
        external_id: &str,
        activity: Uuid,
    ) -> Result<bool, StorageError> {
        let query = sqlx::query(
            "INSERT INTO imported_activities (user_id, source, external_id, activity_id) VALUES ($1, $2, $3, $4) \
             ON CONFLICT DO NOTHING",
        );
        let query = query.bind(user.0).bind(source).bind(external_id).bind(activity);
        Ok(self.0.execute("record import", query).await? == 1)
    }
}

/// Binds `$1` to `$12`: everything but when it was created and changed.
fn bind(query: PgQuery, activity: &Activity) -> PgQuery {
    query
        .bind(activity.id)
        .bind(activity.user_id.0)
        .bind(activity.activity_type.as_str())
        .bind(activity.title.as_str())
        .bind(activity.description.as_ref().map(|text| text.as_str()))
        .bind(integer(activity.duration.minutes()))
        .bind(activity.distance.map(|distance| integer(distance.metres())))
        .bind(activity.calories.map(|calories| integer(calories.kilocalories())))
        .bind(activity.notes.as_ref().map(|text| text.as_str()))
        .bind(activity.tags.labels().collect::<Vec<_>>())
        .bind(activity.activity_date.instant().to_sqlx())
        .bind(signed(activity.version))
}
