use std::io;

use activelog_application::{failures::BulkError, ports::StorageError};

/// A command on failed events failed.
#[derive(Debug, thiserror::Error)]
pub enum FailedEventsError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The storage failed after some of many were done.
    #[error(transparent)]
    Stopped(#[from] BulkError),
    /// What was found or done cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// The result, where a reader that went away (`| head`) has what it wanted.
pub(in crate::cli) fn unless_reader_left<T: Default>(
    result: Result<T, FailedEventsError>,
) -> Result<T, FailedEventsError> {
    match result {
        Err(FailedEventsError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(T::default()),
        result => result,
    }
}
