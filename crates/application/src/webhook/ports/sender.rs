use activelog_domain::webhook::{SigningSecret, WebhookUrl};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

/// A request to a webhook.
#[derive(Debug, Clone)]
pub struct WebhookRequest {
    /// Where to.
    pub url: WebhookUrl,
    /// `webhook-id`: the same each time the same thing is sent, so that a receiver knows what it has.
    pub id: Uuid,
    /// `webhook-timestamp`: when this attempt is made.
    pub timestamp: Timestamp,
    /// What to sign with: a signature by each.
    pub secrets: Vec<SigningSecret>,
    /// The body, JSON.
    pub body: Bytes,
}

/// Sends requests to webhooks, as the Standard Webhooks specification says.
///
/// - Time-limited, from looking up the name to the end of the answer.
/// - Only to addresses within the installation's [`Reach`](activelog_domain::webhook::Reach), checked after the name was looked up.
///   Redirects are not followed, and no proxy is used that nobody configured.
/// - Of the answer only its status counts; a bounded part of its body is read at most.
#[async_trait]
pub trait WebhookSender: Send + Sync + 'static {
    /// Sends a request once. `Ok` when the receiver has taken it (2xx).
    async fn send(&self, request: WebhookRequest) -> Result<(), SendError>;
}

/// A request was not taken, or it is not known that it was. The messages are for the webhook's owner: they hold neither what the
/// receiver answered nor the URL's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The receiver is gone for ever (410).
    #[error("the receiver answered 410: it is gone")]
    Gone,
    /// The receiver answered with another status that is not a success.
    #[error("the receiver answered {0}, not 2xx")]
    Status(u16),
    /// The receiver redirects.
    #[error("the receiver answered {0}: redirects are not followed")]
    Redirect(u16),
    /// The receiver is where no request may go.
    #[error("the address of the receiver is not allowed: it is not on the public internet")]
    Forbidden,
    /// No answer in time.
    #[error("the receiver did not answer in time")]
    TimedOut,
    /// No connection, or one that broke.
    #[error("the receiver cannot be reached: {0}")]
    Unreachable(String),
}
