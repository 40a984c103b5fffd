use activelog_application::ports::{StorageError, StorageErrorKind};

/// SQLite's primary result codes that decide what an error means.
mod code {
    pub(super) const ERROR: i32 = 1;
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const TOOBIG: i32 = 18;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const MISMATCH: i32 = 20;
    pub(super) const RANGE: i32 = 25;
    pub(super) const NOTADB: i32 = 26;
}

/// SQLite's primary result code, where the error comes from SQLite.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    // The upper bytes say more about the same condition.
    Some(code & 0xff)
}

/// Whether another connection, perhaps of another process, holds the lock.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(code::BUSY | code::LOCKED))
}

/// Whether SQLite only refused the statement. After every other error the state of the transaction is not certain: SQLite
/// rolls it back as a whole when the disk fails, for one.
pub(super) fn spares_transaction(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => matches!(
            primary_code(error),
            Some(code::ERROR | code::CONSTRAINT | code::MISMATCH | code::RANGE | code::TOOBIG)
        ),
        // Raised before SQLite was asked, or after it has answered.
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::RowNotFound => true,
        _ => false,
    }
}

/// Whether SQLite answered that a savepoint or transaction is not there, or already is.
pub(super) fn is_refusal(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(code::ERROR)
}

/// What an error means to the application.
pub(super) fn kind_of(error: &sqlx::Error) -> StorageErrorKind {
    match error {
        sqlx::Error::Database(_) => match primary_code(error) {
            Some(code::BUSY | code::LOCKED) => StorageErrorKind::Contention,
            Some(code::FULL) => StorageErrorKind::Full,
            Some(code::CONSTRAINT) => StorageErrorKind::Constraint,
            Some(code::CORRUPT | code::NOTADB) => StorageErrorKind::Corrupt,
            Some(code::IOERR | code::CANTOPEN | code::READONLY | code::PERM | code::NOMEM) => {
                StorageErrorKind::Unavailable
            }
            _ => StorageErrorKind::Other,
        },
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => StorageErrorKind::Corrupt,
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => {
            StorageErrorKind::Unavailable
        }
        _ => StorageErrorKind::Other,
    }
}

/// The application's error for a failed `operation`.
pub(super) fn storage_error(operation: &'static str, error: sqlx::Error) -> StorageError {
    StorageError::new(kind_of(&error), operation, error)
}

/// Something stored is not what it should be.
pub(super) fn corrupt(
    operation: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StorageError {
    StorageError::new(StorageErrorKind::Corrupt, operation, source)
}
