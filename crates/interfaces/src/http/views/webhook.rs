use activelog_application::{
    orchestrator::Outputs,
    ports::{EventPattern, StoredResponse},
    webhook::{Webhook, WebhookState},
};
use activelog_domain::webhook::SigningSecret;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::run;

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(in crate::http) struct WebhookView<'a> {
    /// Its id.
    id: Uuid,
    /// Whose it is.
    user_id: Uuid,
    /// Where events are sent.
    #[schema(example = "https://example.com/hooks")]
    url: &'a str,
    /// Which events.
    #[schema(example = json!(["activity.created"]))]
    events: Vec<&'a str>,
    /// What it is for.
    #[schema(required = true)]
    description: Option<&'a str>,
    /// Whether it gets anything.
    enabled: bool,
    /// Since when it is disabled; null while it is enabled.
    #[schema(required = true)]
    disabled_at: Option<Timestamp>,
    /// Why: `failing` for too long, or `gone` (410).
    #[schema(required = true, example = "failing")]
    disabled_reason: Option<&'a str>,
    /// How many attempts have failed since the last delivery that went right.
    failures: u64,
    /// When the first of them did; null when none has.
    #[schema(required = true)]
    failing_since: Option<Timestamp>,
    /// Why the last of them did.
    #[schema(required = true, example = "the receiver answered 503, not 2xx")]
    last_failure: Option<&'a str>,
    /// When it was registered.
    created_at: Timestamp,
}

impl<'a> From<&'a Webhook> for WebhookView<'a> {
    fn from(webhook: &'a Webhook) -> Self {
        let disabled = match webhook.state {
            WebhookState::Enabled => None,
            WebhookState::Disabled { at, reason } => Some((at, reason)),
        };
        let trouble = webhook.trouble.as_ref();
        Self {
            id: webhook.id,
            user_id: webhook.user_id.0,
            url: webhook.url.expose(),
            events: webhook.events.patterns().iter().map(EventPattern::as_str).collect(),
            description: webhook.description.as_ref().map(|text| text.as_str()),
            enabled: disabled.is_none(),
            disabled_at: disabled.map(|(at, _)| at),
            disabled_reason: disabled.map(|(_, reason)| reason.as_str()),
            failures: trouble.map_or(0, |trouble| trouble.failures),
            failing_since: trouble.map(|trouble| trouble.since),
            last_failure: trouble.map(|trouble| trouble.reason.as_str()),
            created_at: webhook.created_at,
        }
    }
}

/// A webhook with its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookWithSecret)]
pub(in crate::http) struct WebhookWithSecretView<'a> {
    #[serde(flatten)]
    webhook: WebhookView<'a>,
    /// What deliveries are signed with. Keep it where others do not see it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: &'a str,
}

impl WebhookWithSecretView<'_> {
    /// The answer that shows what a chain provided.
    pub(in crate::http) fn stored(status: StatusCode, headers: &[(&str, String)], outputs: &Outputs) -> StoredResponse {
        let webhook = outputs.get::<Webhook>();
        let secret = outputs.get::<SigningSecret>().map(|secret| secret.expose_text());
        let view = webhook.as_deref().zip(secret.as_ref()).map(|(webhook, secret)| WebhookWithSecretView {
            webhook: WebhookView::from(webhook),
            secret: secret.expose_secret(),
        });
        run::stored(status, headers, view.as_ref())
    }
}
