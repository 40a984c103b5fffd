use std::{error::Error, time::Duration};

use activelog_application::ports::{PublishError, PublishErrorKind, StorageError, StorageErrorKind};
use async_nats::jetstream::context;

/// The server did not do it, or not in time: trying again may help, and is all there is to do.
pub(super) fn unavailable(operation: &'static str, error: impl Into<Box<dyn Error + Send + Sync>>) -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, operation, error)
}

/// What a failed publish means.
pub(super) fn publish_error(error: context::PublishError) -> PublishError {
    let kind = match error.kind() {
        context::PublishErrorKind::MaxPayloadExceeded => PublishErrorKind::TooLarge,
        // The server has answered and refused, or nobody was there to answer.
        context::PublishErrorKind::StreamNotFound | context::PublishErrorKind::Other => PublishErrorKind::Unavailable,
        _ => PublishErrorKind::Unknown,
    };
    PublishError { kind, source: Box::new(error), retry_after: Some(Duration::from_millis(250)) }
}
