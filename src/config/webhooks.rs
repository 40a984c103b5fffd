use std::time::Duration;

use activelog_application::webhook::WebhookOptions;

use super::reader::Reader;

/// `[webhooks]`: telling other programs of events.
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// Whether webhooks can be registered and are told of anything.
    pub enabled: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// The most webhooks that requests are sent to at once.
    pub concurrency: u32,
    /// Whether webhooks may be on this machine, private networks and reserved addresses. Whoever registers one can then have this program
    /// send requests to whatever it can reach.
    pub allow_private_networks: bool,
    /// How long one may fail, without one success, before it is disabled.
    pub disable_after: Duration,
}

impl WebhooksConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let longest = u64::try_from(WebhookOptions::TIMEOUT_MAX.as_millis()).unwrap_or(u64::MAX);
        let disable_after = WebhookOptions::default().disable_after;
        let mut section = reader.section("webhooks");
        Self {
            enabled: section.get("enabled", true),
            timeout: section.duration("timeout", Duration::from_secs(15), 100, longest),
            concurrency: section.number("concurrency", 32, 1, 10_000),
            allow_private_networks: section.get("allow_private_networks", false),
            disable_after: section.duration("disable_after", disable_after, 1_000, 90 * 86_400_000),
        }
    }
}
