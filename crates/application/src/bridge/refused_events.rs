use std::error::Error;

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

/// Why an event could not be kept.
pub type RefusedEventsError = Box<dyn Error + Send + Sync>;

/// Keeps events that the target of a bridge refuses for good, for people to look at.
#[async_trait]
pub trait RefusedEvents: Send + Sync + 'static {
    /// Keeps an event. Once this has answered, neither a crash nor a loss of power takes it away: it is acknowledged at the source then. The
    /// same event may be given again.
    async fn keep(&self, event: &EventEnvelope, reason: &str) -> Result<(), RefusedEventsError>;
}
