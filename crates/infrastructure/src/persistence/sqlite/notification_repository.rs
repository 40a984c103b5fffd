use activelog_application::{activity::ports::NotificationRepository, ports::StorageError};
use activelog_domain::notification::Notification;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{rows, statement::Statement, write_unit::WriteUnit};

/// Notifications in a unit of work.
pub(super) struct SqliteNotificationRepository<'a> {
    pub(super) unit: &'a mut WriteUnit,
}

#[async_trait]
impl NotificationRepository for SqliteNotificationRepository<'_> {
    async fn insert(&mut self, notification: &Notification) -> Result<(), StorageError> {
        let insert = Statement::new(
            "insert notification",
            "INSERT INTO notifications (id, user_id, kind, message, created_at, read_at) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(notification.id)
        .bind(notification.user_id.0)
        .bind(notification.kind.as_str())
        .bind(notification.message.as_str())
        .bind_time(notification.created_at)
        .bind(notification.read_at.map(Timestamp::as_microsecond));
        self.unit.write(insert).await
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Notification>, StorageError> {
        let sql = format!("SELECT {} FROM notifications WHERE id = ?", rows::NOTIFICATION);
        self.unit.fetch_optional(Statement::composed("find notification", sql).bind(id), rows::notification).await
    }

    async fn mark_read(&mut self, id: Uuid, at: Timestamp) -> Result<(), StorageError> {
        let update = Statement::new(
            "mark notification read",
            "UPDATE notifications SET read_at = ? WHERE id = ? AND read_at IS NULL",
        )
        .bind_time(at)
        .bind(id);
        self.unit.write(update).await
    }
}
