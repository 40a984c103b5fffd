use std::{fmt, time::Duration};

use lapin::{ErrorKind, protocol::AMQPErrorKind};
use tokio::time::timeout;

use crate::broker::probing::nobody_answers;

/// What went wrong with the connection or what stands behind it.
pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// A request to the server failed.
#[derive(Debug)]
pub(super) struct RequestError {
    doing: &'static str,
    /// `None` when the server did not answer in time.
    driver: Option<lapin::Error>,
}

impl RequestError {
    /// The server says nothing.
    pub(super) fn unanswered(doing: &'static str) -> Self {
        Self { doing, driver: None }
    }

    /// Whether the server says that what was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        const NOT_FOUND: u16 = 404;
        self.is_soft(NOT_FOUND)
    }

    /// Whether the server says that what was asked for is there, and different.
    pub(super) fn is_refused(&self) -> bool {
        const PRECONDITION_FAILED: u16 = 406;
        self.is_soft(PRECONDITION_FAILED)
    }

    /// Whether the server has said nothing.
    pub(super) fn is_unanswered(&self) -> bool {
        self.driver.is_none()
    }

    /// Whether the server has closed the channel, and no more, with this code.
    fn is_soft(&self, code: u16) -> bool {
        self.driver.as_ref().is_some_and(|error| match error.kind() {
            ErrorKind::ProtocolError(error) => matches!(error.kind(), AMQPErrorKind::Soft(_)) && error.get_id() == code,
            _ => false,
        })
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.driver {
            Some(error) => write!(f, "{}: {error}", self.doing),
            None => write!(f, "{}: RabbitMQ has not answered in time", self.doing),
        }
    }
}

impl std::error::Error for RequestError {}

/// Whether connecting has failed because nobody answers: the same may work later.
pub(super) fn is_away(error: &AnyError) -> bool {
    let request = error.downcast_ref::<RequestError>();
    request.is_some_and(|request| request.driver.as_ref().is_none_or(|error| nobody_answers(error)))
}

/// Waits for a request for so long and no longer: to a server that has stopped, requests never end.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, RequestError> {
    match timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| RequestError { doing, driver: Some(error) }),
        Err(_) => Err(RequestError::unanswered(doing)),
    }
}
