use std::{error::Error, time::Duration};

/// Why a storage operation failed, which decides what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageErrorKind {
    /// Another transaction was in the way (serialization failure, deadlock, lock timeout): run the whole transaction again.
    Contention,
    /// The database cannot be reached, has no free connection, or is shutting down: nothing was done; try again later.
    Unavailable,
    /// The disk is full: nothing was done; an operator has to make room.
    Full,
    /// A uniqueness or reference rule was broken.
    Constraint,
    /// What is stored cannot be read as what it should be.
    Corrupt,
    /// A lease was lost to another owner: nothing was done, and the old owner must stop.
    Fenced,
    /// Anything else: a defect, or a schema that does not fit.
    Other,
}

/// A storage operation failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {source}")]
pub struct StorageError {
    /// Why.
    pub kind: StorageErrorKind,
    /// What was being done: "insert activity".
    pub operation: &'static str,
    /// What the driver said. Never holds values or secrets.
    pub source: Box<dyn Error + Send + Sync>,
}

impl StorageError {
    /// An error of `kind` while doing `operation`.
    pub fn new(
        kind: StorageErrorKind,
        operation: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, operation, source: source.into() }
    }

    /// Whether the same operation may succeed later without anything being changed.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, StorageErrorKind::Contention | StorageErrorKind::Unavailable | StorageErrorKind::Full)
    }

    /// How long to wait before trying again, where trying again can help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            StorageErrorKind::Contention => Some(Duration::from_millis(20)),
            StorageErrorKind::Unavailable => Some(Duration::from_secs(1)),
            StorageErrorKind::Full => Some(Duration::from_secs(30)),
            _ => None,
        }
    }
}
