use activelog_domain::{
    user::UserId,
    webhook::{SigningSecret, WebhookUrl},
};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{ports::StorageError, webhook::Webhook};

/// What sending to a webhook takes.
#[derive(Debug, Clone)]
pub struct WebhookTarget {
    /// Where it is.
    pub url: WebhookUrl,
    /// What to sign with: the newest first, and the one before while it still counts. Never empty.
    pub secrets: Vec<SigningSecret>,
    /// Whether it has trouble that a success ends.
    pub in_trouble: bool,
}

/// Webhooks outside of units of work: for showing, and for sending, during which no transaction is open.
#[async_trait]
pub trait WebhookStore: Send + Sync + 'static {
    /// A user's webhooks, by id.
    async fn webhooks(&self, user: UserId) -> Result<Vec<Webhook>, StorageError>;

    /// One of a user's webhooks. `None` if they have no such.
    async fn webhook(&self, user: UserId, id: Uuid) -> Result<Option<Webhook>, StorageError>;

    /// Whether there is any webhook that is enabled, of any user. As cheap as a read can be: it is asked for every event.
    async fn any_enabled(&self) -> Result<bool, StorageError>;

    /// What sending to it takes at `now`. `None` if it is disabled or not there.
    async fn target(&self, id: Uuid, now: Timestamp) -> Result<Option<WebhookTarget>, StorageError>;

    /// Notes that sending to it has failed at `at`, and why (cut to [`Trouble::REASON_MAX`](crate::webhook::Trouble::REASON_MAX) at a
    /// character's boundary). Answers since when it has trouble; `None`, with no effect, if it is disabled or not there.
    async fn note_failure(&self, id: Uuid, at: Timestamp, reason: &str) -> Result<Option<Timestamp>, StorageError>;
}
