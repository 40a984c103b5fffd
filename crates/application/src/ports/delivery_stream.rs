use std::{error::Error, fmt, sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

/// The events of one subscription.
///
/// - `next` is cancel-safe: a dropped call loses no delivery.
/// - Never more than the subscription's prefetch are unsettled at once: `next` waits until some are settled.
/// - It ends (`None`) only when it or its subscriber has been closed; everything else it heals by itself.
/// - Dropping a stream closes it without waiting.
#[async_trait]
pub trait DeliveryStream: Send {
    /// The next deliveries: what is there, at least one, without waiting for more. `None` once closed.
    async fn next(&mut self) -> Option<Vec<Delivery>>;

    /// Stops delivering, waits until settlements given so far have reached the broker, and returns what is unsettled to
    /// the group. Deliveries settled later have no effect and may arrive again.
    async fn close(self: Box<Self>) -> Result<(), SettleError>;
}

/// An event, to be settled: acknowledged when it has been taken, or given back.
///
/// Dropping a delivery gives it back at once, as `nack` without a delay.
#[must_use = "dropping a delivery gives it back to the broker"]
pub struct Delivery {
    /// The event. An adapter keeps it too until it is settled.
    pub event: Arc<EventEnvelope>,
    /// Whether the broker knows that it has delivered this event to the group before. `false` proves nothing.
    pub redelivered: bool,
    settle: Option<Box<dyn Settle>>,
}

/// What an adapter does when a delivery is settled.
#[async_trait]
pub trait Settle: Send + Sync {
    /// The event has been taken: never deliver it to this group again.
    async fn ack(self: Box<Self>) -> Result<(), SettleError>;

    /// The event has not been taken: deliver it again, not before `delay`.
    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError>;

    /// Gives the event back without waiting: the delivery was dropped.
    fn abandon(self: Box<Self>);
}

/// A settlement did not reach the broker. The event will be delivered again; the consumer's inbox makes that harmless.
#[derive(Debug, thiserror::Error)]
#[error("settlement lost: {0}")]
pub struct SettleError(#[source] pub Box<dyn Error + Send + Sync>);

impl Delivery {
    /// A delivery that is settled through `settle`.
    pub fn new(event: Arc<EventEnvelope>, redelivered: bool, settle: Box<dyn Settle>) -> Self {
        Self { event, redelivered, settle: Some(settle) }
    }

    /// The event has been taken. Wait for the commit of its effects first.
    pub async fn ack(mut self) -> Result<(), SettleError> {
        match self.settle.take() {
            Some(settle) => settle.ack().await,
            None => Ok(()),
        }
    }

    /// The event has not been taken: it comes again, not before `delay`.
    pub async fn nack(mut self, delay: Duration) -> Result<(), SettleError> {
        match self.settle.take() {
            Some(settle) => settle.nack(delay).await,
            None => Ok(()),
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(settle) = self.settle.take() {
            settle.abandon();
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("event", &self.event.id)
            .field("name", &self.event.name)
            .field("redelivered", &self.redelivered)
            .finish_non_exhaustive()
    }
}
