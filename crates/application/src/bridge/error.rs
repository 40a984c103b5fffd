use uuid::Uuid;

use super::RefusedEventsError;
use crate::ports::{PublishError, SubscribeError};

/// A bridge cannot go on. What it had not acknowledged is still at the source, and is copied when it runs again.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// The source refuses to be read.
    #[error("the source cannot be read: {0}")]
    Source(#[source] SubscribeError),
    /// The source has ended the stream.
    #[error("the source has been closed")]
    SourceClosed,
    /// The target has been closed.
    #[error("the target has been closed")]
    TargetClosed,
    /// The target refuses an event for good.
    #[error("the target refuses event {id} ({name}, key {key:?}): {source}")]
    Refused {
        /// The event.
        id: Uuid,
        /// Its name.
        name: String,
        /// Its partition key.
        key: String,
        /// Why.
        source: PublishError,
    },
    /// An event that the target refuses cannot be kept elsewhere either.
    #[error("event {id}, which the target refuses, cannot be kept: {source}")]
    NotKept {
        /// The event.
        id: Uuid,
        /// Why.
        source: RefusedEventsError,
    },
}
