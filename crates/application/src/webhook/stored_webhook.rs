use activelog_domain::{
    user::UserId,
    webhook::{WebhookDescription, WebhookUrl},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::WebhookEvents;

/// A webhook, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// Whose it is.
    pub user_id: UserId,
    /// Where it is.
    pub url: WebhookUrl,
    /// Which of the user's events it wants.
    pub events: WebhookEvents,
    /// What it is for.
    pub description: Option<WebhookDescription>,
    /// Whether it gets anything.
    pub state: WebhookState,
    /// What has gone wrong since the last delivery that went right.
    pub trouble: Option<Trouble>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// Whether a webhook gets anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// It does.
    Enabled,
    /// It gets nothing, also nothing later of what happens meanwhile, until its owner enables it.
    Disabled {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: DisabledReason,
    },
}

/// Why a webhook was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisabledReason {
    /// It has failed for too long.
    Failing,
    /// The receiver said that it is gone for ever (410).
    Gone,
}

impl DisabledReason {
    /// A stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Gone => "gone",
        }
    }

    /// Reads what [`as_str`](Self::as_str) wrote.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Failing, Self::Gone].into_iter().find(|reason| reason.as_str() == word)
    }
}

/// What has gone wrong since the last delivery that went right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When the first attempt failed.
    pub since: Timestamp,
    /// When the last one did.
    pub last_at: Timestamp,
    /// How many have.
    pub failures: u64,
    /// Why the last one did; at most [`Trouble::REASON_MAX`] bytes.
    pub reason: String,
}

impl Trouble {
    /// The longest reason kept, in bytes.
    pub const REASON_MAX: usize = 500;
}
