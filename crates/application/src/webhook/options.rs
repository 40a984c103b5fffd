use std::time::Duration;

use activelog_domain::webhook::Reach;

/// How an installation has its webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookOptions {
    /// Whether webhooks can be registered.
    pub enabled: bool,
    /// Which addresses they may have.
    pub reach: Reach,
    /// How long one may fail, without one success, before it is disabled.
    pub disable_after: Duration,
}

impl WebhookOptions {
    /// The most webhooks of one user.
    pub const PER_USER: u32 = 20;
    /// The longest a request may take.
    pub const TIMEOUT_MAX: Duration = Duration::from_secs(60);
    /// How long deliveries are signed with the old secret as well after a new one was made.
    pub const SECRET_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self { enabled: true, reach: Reach::Public, disable_after: Duration::from_secs(3 * 24 * 60 * 60) }
    }
}
