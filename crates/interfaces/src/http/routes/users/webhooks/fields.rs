//! The fields of a webhook in request bodies.

use activelog_application::webhook::WebhookEvents;
use activelog_domain::webhook::{Reach, WebhookDescription, WebhookUrl};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::{json_object::Given, problem::ProblemField};

/// What a new webhook may say.
pub(super) const NEW: &[&str] = &["url", "events", "description"];

/// What the application decides.
pub(super) const DECIDED: &[&str] = &["id", "user_id", "secret", "enabled", "created_at"];

pub(super) fn url(given: Given<'_>, reach: Reach) -> Result<WebhookUrl, ProblemField> {
    Ok(WebhookUrl::new(&given.string()?, reach)?)
}

pub(super) fn events(given: Given<'_>) -> Result<WebhookEvents, ProblemField> {
    Ok(WebhookEvents::new(&given.strings()?)?)
}

pub(super) fn description(given: Given<'_>) -> Result<WebhookDescription, ProblemField> {
    Ok(WebhookDescription::new(&given.string()?)?)
}

/// A new webhook. Fields not listed here are refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook, example = json!({
    "url": "https://example.com/hooks", "events": ["activity.created", "activity.deleted"], "description": "My training diary"
}))]
#[expect(dead_code, reason = "describes what is read field by field, so that every error can be told at once")]
pub(super) struct NewWebhookBody {
    /// Where events are sent: an http or https URL on the public internet with port 80, 443 or 1024 to 65535, without user name,
    /// password or fragment.
    #[schema(max_length = 2048)]
    url: String,
    /// Which events: names, or patterns in which `*` stands for a word and `#` for any rest.
    #[schema(min_items = 1, max_items = 10)]
    events: Vec<String>,
    /// What it is for; one line.
    #[schema(min_length = 1, max_length = 200)]
    description: Option<String>,
}
