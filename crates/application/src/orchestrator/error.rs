use std::{error::Error, time::Duration};

use activelog_domain::event::EncodeError;

use super::ChainError;
use crate::ports::{StorageError, StorageErrorKind};

/// A use case did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// The request is refused, for a reason of the domain. The caller finds the reason again by downcasting.
    #[error(transparent)]
    Rejected(Box<dyn Error + Send + Sync>),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl UseCaseError {
    /// Refuses the request for `reason`.
    pub fn rejected(reason: impl Error + Send + Sync + 'static) -> Self {
        Self::Rejected(Box::new(reason))
    }
}

impl From<EncodeError> for UseCaseError {
    fn from(error: EncodeError) -> Self {
        Self::rejected(error)
    }
}

/// A chain, or the work of an event handler, did not succeed. Except for [`Unknown`](Self::Unknown), nothing was committed and nothing will be.
#[derive(Debug, thiserror::Error)]
pub enum OrchestratorError {
    /// A use case refused the request.
    #[error("{use_case}: {reason}")]
    Rejected {
        /// Which.
        use_case: &'static str,
        /// Why.
        #[source]
        reason: Box<dyn Error + Send + Sync>,
    },
    /// Storage failed; for contention, more often than is tried again.
    #[error("{use_case}: {source}")]
    Storage {
        /// During which use case, or at which stage of the transaction.
        use_case: &'static str,
        /// What failed.
        source: StorageError,
    },
    /// It took longer than its timeout.
    #[error("{use_case}: rolled back after the timeout of {after:?}")]
    TimedOut {
        /// During which use case, or at which stage of the transaction.
        use_case: &'static str,
        /// The timeout.
        after: Duration,
    },
    /// A use case panicked.
    #[error("{use_case}: panicked: {message}")]
    Panicked {
        /// Which.
        use_case: &'static str,
        /// The panic's message.
        message: String,
    },
    /// The answer to the commit was lost: everything was committed, or nothing. An idempotency key tells which.
    #[error("the outcome of the commit is unknown: {reason}")]
    Unknown {
        /// Why it is unknown.
        #[source]
        reason: Box<dyn Error + Send + Sync>,
    },
    /// The idempotency key was used before, for another request.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The chain cannot be run.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The application is shutting down and takes no new work.
    #[error("shutting down")]
    Closed,
}

impl OrchestratorError {
    /// The domain's reason for a refusal, if it is a `T`.
    pub fn rejection<T: Error + 'static>(&self) -> Option<&T> {
        match self {
            Self::Rejected { reason, .. } => reason.downcast_ref(),
            _ => None,
        }
    }

    /// Whether another transaction was in the way, so that running everything again may succeed.
    pub(super) fn is_contention(&self) -> bool {
        matches!(self, Self::Storage { source, .. } if source.kind == StorageErrorKind::Contention)
    }

    /// How long to wait before the same request may succeed, where that can help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Storage { source, .. } => source.retry_after(),
            Self::TimedOut { .. } | Self::Closed => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
