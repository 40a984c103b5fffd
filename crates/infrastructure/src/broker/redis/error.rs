use activelog_application::ports::{PublishError, PublishErrorKind, StorageError, StorageErrorKind};
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What a failed command means to whoever reads.
pub(super) fn storage_error(operation: &'static str, error: RedisError) -> StorageError {
    StorageError::new(kind_of(&error), operation, error)
}

fn kind_of(error: &RedisError) -> StorageErrorKind {
    match error.kind() {
        ErrorKind::Io => StorageErrorKind::Unavailable,
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown,
        ) => StorageErrorKind::Unavailable,
        _ if error.is_timeout() || error.is_connection_dropped() => StorageErrorKind::Unavailable,
        _ => match error.code() {
            // No memory is left, or the last write to disk failed.
            Some("OOM" | "MISCONF") => StorageErrorKind::Full,
            Some("FENCED") => StorageErrorKind::Fenced,
            _ => StorageErrorKind::Other,
        },
    }
}

/// What it means to whoever publishes: only what the server itself refused was certainly not stored.
pub(super) fn publish_error(error: RedisError) -> PublishError {
    let kind = match kind_of(&error) {
        StorageErrorKind::Full => PublishErrorKind::Unavailable,
        StorageErrorKind::Unavailable
            if matches!(error.kind(), ErrorKind::Server(_)) || error.is_connection_refusal() =>
        {
            PublishErrorKind::Unavailable
        }
        StorageErrorKind::Unavailable => PublishErrorKind::Unknown,
        // The stream is not one, an id is ahead of ours, or this user may not add: every event meets the same until somebody mends it.
        _ => PublishErrorKind::Unavailable,
    };
    PublishError::new(kind, error)
}
