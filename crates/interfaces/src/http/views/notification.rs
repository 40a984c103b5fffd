use activelog_domain::notification::Notification;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A message to a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub(in crate::http) struct NotificationView<'a> {
    /// Its id.
    id: Uuid,
    /// Whom it is for.
    user_id: Uuid,
    /// What it is about, as a stable word.
    #[schema(example = "activity.created")]
    kind: &'a str,
    /// The text.
    message: &'a str,
    /// When it was written.
    created_at: Timestamp,
    /// When the user read it; null until then.
    #[schema(required = true)]
    read_at: Option<Timestamp>,
}

impl<'a> From<&'a Notification> for NotificationView<'a> {
    fn from(notification: &'a Notification) -> Self {
        Self {
            id: notification.id,
            user_id: notification.user_id.0,
            kind: &notification.kind,
            message: &notification.message,
            created_at: notification.created_at,
            read_at: notification.read_at,
        }
    }
}
