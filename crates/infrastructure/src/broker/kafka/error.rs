use activelog_application::ports::{PublishError, PublishErrorKind, StorageError, StorageErrorKind};
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode as Code};

/// What a failed publish means: only what was certainly not stored is more than unknown.
pub(super) fn publish_error(error: KafkaError) -> PublishError {
    let kind = match error.rdkafka_error_code() {
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => PublishErrorKind::TooLarge,
        // The record itself is refused.
        Some(Code::InvalidRecord | Code::InvalidTimestamp) => PublishErrorKind::Rejected,
        // Not sent at all: every event meets the same until it is mended. Anything else may be said of a second try, when the first has been stored.
        Some(
            Code::QueueFull
            | Code::PurgeQueue
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::Authentication
            | Code::SaslAuthenticationFailed,
        ) => PublishErrorKind::Unavailable,
        _ => PublishErrorKind::Unknown,
    };
    PublishError::new(kind, error)
}

/// What a failed request means to whoever waits for it.
pub(super) fn storage_error(operation: &'static str, error: KafkaError) -> StorageError {
    StorageError::new(StorageErrorKind::Unavailable, operation, error)
}

/// Whether the producer is of no use any more.
pub(super) fn is_fatal(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::Fatal))
}

/// Whether the brokers do not take user and password.
pub(super) fn is_refusal(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::Authentication | Code::SaslAuthenticationFailed))
}

/// Whether no broker can be reached.
pub(super) fn is_away(error: &KafkaError) -> bool {
    let code = match error {
        // The driver's own function leaves it out.
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    };
    matches!(code, Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut | Code::Resolve))
}

/// Whether there is no TLS with the brokers.
pub(super) fn is_distrust(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::SSL))
}

/// Whether this user may not see what was asked for.
pub(super) fn is_hidden(error: &KafkaError) -> bool {
    matches!(error, KafkaError::AdminOp(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed))
}

/// Whether a topic is not there.
pub(super) fn is_missing(code: Code) -> bool {
    matches!(code, Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
}

/// Whether a partition is between two leaders, or has none yet.
pub(super) fn is_settling(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
                | Code::UnknownLeaderEpoch
                | Code::FencedLeaderEpoch
                | Code::OffsetNotAvailable
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopicId
        )
    )
}
