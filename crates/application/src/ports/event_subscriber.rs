use std::error::Error;

use async_trait::async_trait;

use super::{BrokerHealth, DeliveryStream, Lag, StorageError, Subscription};

/// Takes events out of a broker.
///
/// - **Groups**: every group gets every matching event at least once; the streams of one group share them. Streams of one group in
///   several processes do too, where the broker is shared by processes at all.
/// - **Order**: with [`OrderingGuarantee::PerKey`](super::OrderingGuarantee::PerKey), events of one key reach the group in the order they were published, and while one
///   is unsettled at one stream, later ones of its key go to no other stream. A redelivered event comes before later
///   events of its key that were not delivered yet.
/// - **Healing**: a stream reconnects and re-declares for ever by itself, with capped, jittered back-off, and says so in `health`.
/// - **Closing**: `close` ends every stream of this subscriber; what they have not settled goes back. Idempotent.
#[async_trait]
pub trait EventSubscriber: Send + Sync + 'static {
    /// Joins the subscription's group. Fails for what will never work (patterns, a bad group name, a closed subscriber) and for a broker that
    /// cannot be reached at this moment.
    async fn subscribe(&self, subscription: &Subscription) -> Result<Box<dyn DeliveryStream>, SubscribeError>;

    /// How the connection and the streams are doing. Answers at once, from what is known.
    fn health(&self) -> BrokerHealth;

    /// How far a group is behind; `None` where the broker cannot tell.
    async fn lag(&self, group: &str) -> Result<Option<Lag>, SubscribeError>;

    /// Makes the broker forget a group: where it stands, and what is kept for it alone. What it has not taken is not delivered to it any more, and
    /// whoever subscribes under its name later begins a new group. Fails with [`SubscribeError::InUse`] while the group has streams, here or in other
    /// processes; those of a process that was killed count for some seconds more. A group that nobody knows is forgotten already.
    async fn remove_group(&self, group: &str) -> Result<(), SubscribeError>;

    /// Ends every stream.
    async fn close(&self) -> Result<(), SubscribeError>;
}

/// A subscription could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The subscription asks for something that will never work here.
    #[error("subscription refused: {0}")]
    Invalid(String),
    /// The broker cannot be reached at the moment.
    #[error("broker unavailable: {0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The group has streams, and would not be without them.
    #[error("group {0} is in use: stop what reads as it first")]
    InUse(String),
    /// The subscriber has been closed.
    #[error("the subscriber is closed")]
    Closed,
}

impl From<StorageError> for SubscribeError {
    fn from(error: StorageError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}
