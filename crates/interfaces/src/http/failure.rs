//! What failures of the application mean in HTTP.

use std::time::Duration;

use activelog_application::{
    activity::ActivityError,
    backpressure::Pressure,
    orchestrator::OrchestratorError,
    ports::{StorageError, StorageErrorKind},
    webhook::WebhookError,
};
use axum::http::header;

use super::{
    problem::{Problem, ProblemKind, error_chain},
    views::etag,
};

impl From<Pressure> for Problem {
    fn from(pressure: Pressure) -> Self {
        let detail = format!("Nothing was done; send it again later. For the operator: {pressure}.");
        Self::new(ProblemKind::BACKPRESSURE, detail).with_retry_after(pressure.retry_after())
    }
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        let detail = match error.kind {
            StorageErrorKind::Contention => "Others are changing the same thing. Nothing was done; try again.",
            StorageErrorKind::Unavailable => "The database cannot be reached. Nothing was done; try again later.",
            StorageErrorKind::Full => {
                let detail = "The database has no room left. Nothing was done; the operator has to make room.";
                return Self::new(ProblemKind::STORAGE_FULL, detail)
                    .with_retry_after(error.retry_after().unwrap_or(Duration::from_secs(30)))
                    .with_cause(error_chain(&error));
            }
            _ => return Self::internal(error),
        };
        let after = error.retry_after().unwrap_or(Duration::from_secs(1));
        Self::unavailable(detail, after).with_cause(error_chain(&error))
    }
}

impl From<OrchestratorError> for Problem {
    fn from(error: OrchestratorError) -> Self {
        if let Some(rejection) = error.rejection::<ActivityError>() {
            return rejection.into();
        }
        if let Some(rejection) = error.rejection::<WebhookError>() {
            return rejection.into();
        }
        match error {
            OrchestratorError::Storage { source, .. } => source.into(),
            OrchestratorError::TimedOut { .. } => {
                let detail = "It took too long. Nothing was done; try again later.";
                Self::unavailable(detail, Duration::from_secs(1)).with_cause(error_chain(&error))
            }
            OrchestratorError::Closed => {
                Self::unavailable("The server is shutting down. Nothing was done.", Duration::from_secs(1))
            }
            OrchestratorError::KeyReused => Self::new(
                ProblemKind::KEY_REUSED,
                "This Idempotency-Key was used with another method, path or body. Choose a new key for a new request.",
            ),
            OrchestratorError::Unknown { .. } => {
                let detail = "The answer of the database was lost: either everything was done, or nothing. Send the same \
                              request with the same Idempotency-Key to learn which; without a key, look before you repeat it.";
                Self::new(ProblemKind::OUTCOME_UNKNOWN, detail)
                    .with_retry_after(Duration::from_secs(1))
                    .with_cause(error_chain(&error))
            }
            other => Self::internal(other),
        }
    }
}

impl From<&ActivityError> for Problem {
    fn from(error: &ActivityError) -> Self {
        match error {
            ActivityError::VersionMismatch { current, .. } => version_mismatch(*current),
            ActivityError::NotFound { id } => Self::not_found("activity", id),
            ActivityError::NotificationNotFound { id } => Self::not_found("notification", id),
            // Importing is no operation of this API.
            ActivityError::AlreadyImported { .. } => Self::internal(error.clone()),
            ActivityError::Forbidden { user } => {
                Self::new(ProblemKind::FORBIDDEN, format!("Only user {user} and the operator may do this."))
            }
        }
    }
}

impl From<&WebhookError> for Problem {
    fn from(error: &WebhookError) -> Self {
        match error {
            WebhookError::NotFound { id } => Self::not_found("webhook", id),
            WebhookError::Forbidden { user } => {
                Self::new(ProblemKind::FORBIDDEN, format!("Only user {user} and the operator may do this."))
            }
            WebhookError::TooMany { most, .. } => Self::new(
                ProblemKind::TOO_MANY,
                format!("The user has {most} webhooks, the most there may be. Delete one first."),
            ),
            WebhookError::SwitchedOff => {
                Self::new(ProblemKind::FORBIDDEN, "Webhooks are switched off here; the operator can change that.")
            }
        }
    }
}

/// 412: the version named is not the current one.
pub(super) fn version_mismatch(current: u64) -> Problem {
    let detail = format!("The version is {current} by now. Read it again, then repeat your change with its ETag.");
    Problem::new(ProblemKind::VERSION_MISMATCH, detail)
        .with_current_version(current)
        .with_header(header::ETAG, etag(current))
}
