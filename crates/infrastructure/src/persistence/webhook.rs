//! Webhooks as both databases store them.

use std::error::Error;

use activelog_application::{
    ports::EventPattern,
    webhook::{DisabledReason, Trouble, Webhook, WebhookEvents, WebhookState},
};
use activelog_domain::{
    user::UserId,
    webhook::{SigningSecret, WebhookDescription, WebhookUrl},
};
use jiff::Timestamp;
use uuid::Uuid;

/// The columns of a [`StoredWebhook`], in its order.
pub(super) const COLUMNS: &str = "id, user_id, url, events, description, created_at, disabled_at, disabled_reason, failures, \
     first_failed_at, last_failed_at, last_failure";

type Invalid = Box<dyn Error + Send + Sync>;

/// A row.
pub(super) struct StoredWebhook {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) url: String,
    pub(super) events: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) disabled_at: Option<Timestamp>,
    pub(super) disabled_reason: Option<String>,
    pub(super) failures: u64,
    pub(super) first_failed_at: Option<Timestamp>,
    pub(super) last_failed_at: Option<Timestamp>,
    pub(super) last_failure: Option<String>,
}

impl TryFrom<StoredWebhook> for Webhook {
    type Error = Invalid;

    fn try_from(row: StoredWebhook) -> Result<Self, Invalid> {
        let state = match (row.disabled_at, row.disabled_reason.as_deref().and_then(DisabledReason::parse)) {
            (None, None) if row.disabled_reason.is_none() => WebhookState::Enabled,
            (Some(at), Some(reason)) => WebhookState::Disabled { at, reason },
            _ => return Err("disabled without a time, or without a reason that is known".into()),
        };
        let trouble = match (row.first_failed_at, row.last_failed_at, row.last_failure) {
            (Some(since), Some(last_at), Some(reason)) => {
                Some(Trouble { since, last_at, failures: row.failures, reason })
            }
            (None, None, None) => None,
            _ => return Err("some of its failures' columns are missing".into()),
        };
        let patterns: Result<Vec<EventPattern>, _> = row.events.iter().map(|pattern| pattern.parse()).collect();
        Ok(Self {
            id: row.id,
            user_id: UserId(row.user_id),
            url: WebhookUrl::stored(&row.url)?,
            events: WebhookEvents::stored(patterns?),
            description: row.description.as_deref().map(WebhookDescription::new).transpose()?,
            state,
            trouble,
            created_at: row.created_at,
        })
    }
}

/// The patterns as text.
pub(super) fn patterns(webhook: &Webhook) -> Vec<&str> {
    webhook.events.patterns().iter().map(EventPattern::as_str).collect()
}

/// The secrets that count, newest first.
pub(super) fn secrets(current: Vec<u8>, previous: Option<Vec<u8>>) -> Result<Vec<SigningSecret>, Invalid> {
    let read = |bytes| SigningSecret::from_bytes(bytes).ok_or("the secret's length is not allowed");
    Ok(std::iter::once(current).chain(previous).map(read).collect::<Result<_, _>>()?)
}

/// The beginning of a reason, as much as is kept.
pub(super) fn kept(reason: &str) -> &str {
    reason.get(..reason.floor_char_boundary(Trouble::REASON_MAX)).unwrap_or_default()
}
