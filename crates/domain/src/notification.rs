//! Messages to a user.

use jiff::Timestamp;
use uuid::Uuid;

use crate::user::UserId;

/// A message to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// Whom it is for.
    pub user_id: UserId,
    /// What it is about, as a stable word: `activity.created`, `achievement.unlocked`.
    pub kind: String,
    /// The text.
    pub message: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When the user read it, if they have.
    pub read_at: Option<Timestamp>,
}
