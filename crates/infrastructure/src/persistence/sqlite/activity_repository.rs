use activelog_application::{activity::ports::ActivityRepository, ports::StorageError};
use activelog_domain::{
    activity::{Activity, Calories, Description, Distance, Notes},
    user::UserId,
};
use async_trait::async_trait;
use uuid::Uuid;

use super::{rows, statement::Statement, write_unit::WriteUnit};

/// Activities in a unit of work.
pub(super) struct SqliteActivityRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

/// Binds what an activity says of itself: type, title, description, minutes, metres, calories, notes, tags, date.
fn bind_details(statement: Statement, activity: &Activity) -> Statement {
    statement
        .bind(activity.activity_type.as_str())
        .bind(activity.title.as_str())
        .bind(activity.description.as_ref().map(Description::as_str))
        .bind(activity.duration.minutes())
        .bind(activity.distance.map(Distance::metres))
        .bind(activity.calories.map(Calories::kilocalories))
        .bind(activity.notes.as_ref().map(Notes::as_str))
        .bind(activity.tags.labels().collect::<serde_json::Value>().to_string())
        .bind_time(activity.activity_date.instant())
}

#[async_trait]
impl ActivityRepository for SqliteActivityRepository<'_> {
    async fn insert(&mut self, activity: &Activity) -> Result<(), StorageError> {
        let insert = Statement::new(
            "insert activity",
            "INSERT INTO activities (id, user_id, activity_type, title, description, duration_minutes, \
             distance_metres, calories_burned, notes, tags, activity_date, version, created_at, updated_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(activity.id)
        .bind(activity.user_id.0);
        let insert = bind_details(insert, activity)
            .bind_unsigned(activity.version)
            .bind_time(activity.created_at)
            .bind_time(activity.updated_at);
        self.unit.write(insert).await
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        // Nobody else writes until this unit ends: reading is locking.
        let select =
            Statement::composed("find activity", format!("SELECT {} FROM activities WHERE id = ?", rows::ACTIVITY));
        self.unit.fetch_optional(select.bind(id), rows::activity).await
    }

    async fn update(&mut self, activity: &Activity) -> Result<bool, StorageError> {
        let update = Statement::new(
            "update activity",
            "UPDATE activities SET activity_type = ?, title = ?, description = ?, duration_minutes = ?, \
             distance_metres = ?, calories_burned = ?, notes = ?, tags = ?, activity_date = ?, version = ?, updated_at = ? \
             WHERE id = ? AND version = ? - 1",
        );
        let update = bind_details(update, activity)
            .bind_unsigned(activity.version)
            .bind_time(activity.updated_at)
            .bind(activity.id)
            .bind_unsigned(activity.version);
        Ok(self.unit.execute(update).await? == 1)
    }

    async fn delete(&mut self, id: Uuid, version: u64) -> Result<bool, StorageError> {
        let delete = Statement::new("delete activity", "DELETE FROM activities WHERE id = ? AND version = ?")
            .bind(id)
            .bind_unsigned(version);
        Ok(self.unit.execute(delete).await? == 1)
    }

    async fn record_import(
        &mut self,
        user: UserId,
        source: &str,
        external_id: &str,
        activity: Uuid,
    ) -> Result<bool, StorageError> {
        let insert = Statement::new(
            "record import",
            "INSERT INTO imported_activities (user_id, source, external_id, activity_id) VALUES (?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(user.0)
        .bind(source)
        .bind(external_id)
        .bind(activity);
        Ok(self.unit.execute(insert).await? == 1)
    }
}
