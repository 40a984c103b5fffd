use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{AggregateRef, DomainEvent, EventEnvelope};

/// An event is to be sent to a webhook. Each webhook is an aggregate of its own: its deliveries are made in order, and wait for nothing
/// but each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookDeliveryRequested {
    /// The webhook.
    pub webhook_id: Uuid,
    /// Counts the deliveries of this webhook, from 1.
    pub sequence: u64,
    /// What to send.
    pub event: EventEnvelope,
}

impl DomainEvent for WebhookDeliveryRequested {
    const NAME: &'static str = "webhook.delivery.requested";
    const VERSION: u32 = 1;

    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: format!("webhook-{}", self.webhook_id), sequence: self.sequence }
    }
}
