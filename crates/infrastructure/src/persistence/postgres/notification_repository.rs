use activelog_application::{activity::ports::NotificationRepository, ports::StorageError};
use activelog_domain::notification::Notification;
use async_trait::async_trait;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{rows::notification, session::Session};

/// Notifications on PostgreSQL.
pub(super) struct PgNotificationRepository<'u>(pub(super) &'u mut Session);

#[async_trait]
impl NotificationRepository for PgNotificationRepository<'_> {
    async fn insert(&mut self, notification: &Notification) -> Result<(), StorageError> {
        let query = sqlx::query(
            "INSERT INTO notifications (id, user_id, kind, message, created_at, read_at) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (id) DO NOTHING",
        );
        let query = query
            .bind(notification.id)
            .bind(notification.user_id.0)
            .bind(notification.kind.as_str())
            .bind(notification.message.as_str())
            .bind(notification.created_at.to_sqlx())
            .bind(notification.read_at.map(|at| at.to_sqlx()));
        self.0.execute("insert notification", query).await.map(|_| ())
    }

    async fn find_for_update(&mut self, id: Uuid) -> Result<Option<Notification>, StorageError> {
        const OPERATION: &str = "find notification for update";
        let query = sqlx::query(
            "SELECT id, user_id, kind, message, created_at, read_at FROM notifications WHERE id = $1 FOR UPDATE",
        );
        self.0.row(OPERATION, query.bind(id)).await?.map(|row| notification(&row, OPERATION)).transpose()
    }

    async fn mark_read(&mut self, id: Uuid, at: Timestamp) -> Result<(), StorageError> {
        let query = sqlx::query("UPDATE notifications SET read_at = $2 WHERE id = $1 AND read_at IS NULL");
        self.0.execute("mark notification read", query.bind(id).bind(at.to_sqlx())).await.map(|_| ())
    }
}
