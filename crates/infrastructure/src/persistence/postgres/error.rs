use std::{error::Error, fmt};

use activelog_application::ports::{StorageError, StorageErrorKind};

/// What the server said, without the detail lines that repeat values.
#[derive(Debug)]
struct ServerError {
    code: String,
    message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

impl Error for ServerError {}

/// What a driver error means for the caller.
pub(super) fn kind_of(error: &sqlx::Error) -> StorageErrorKind {
    match error {
        sqlx::Error::Database(server) => server.code().map_or(StorageErrorKind::Other, |code| kind_of_state(&code)),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => StorageErrorKind::Unavailable,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => StorageErrorKind::Corrupt,
        _ => StorageErrorKind::Other,
    }
}

/// What an SQLSTATE means.
fn kind_of_state(code: &str) -> StorageErrorKind {
    match code {
        // Serialization failure, deadlock, lock timeout.
        "40001" | "40P01" | "55P03" => StorageErrorKind::Contention,
        "53100" => StorageErrorKind::Full,
        // Statement timeout, idle-in-transaction timeout, a standby after a failover.
        "57014" | "25P03" | "25006" => StorageErrorKind::Unavailable,
        _ => match code.get(..2) {
            // Connection exceptions, out of connections or memory, shutdown and start-up.
            Some("08" | "53" | "57") => StorageErrorKind::Unavailable,
            Some("23") => StorageErrorKind::Constraint,
            Some("XX") => StorageErrorKind::Corrupt,
            _ => StorageErrorKind::Other,
        },
    }
}

/// Whether the server ended the transaction by itself and said so, rather than the connection having ended: then the
/// outcome of a COMMIT is known.
pub(super) fn is_answer(error: &sqlx::Error) -> bool {
    match error {
        // An administrator's shutdown may strike after the commit has become durable.
        sqlx::Error::Database(server) => {
            server.code().is_some_and(|code| !code.starts_with("57P") && !code.starts_with("08"))
        }
        _ => false,
    }
}

/// Whether the connection itself is of no more use.
pub(super) fn breaks_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(server) => {
            server.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08") || code == "25P03")
        }
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

/// The storage error of a driver error.
pub(super) fn storage_error(operation: &'static str, error: sqlx::Error) -> StorageError {
    StorageError::new(kind_of(&error), operation, without_values(error))
}

/// The error with nothing in it that a client sent.
pub(super) fn without_values(error: sqlx::Error) -> Box<dyn Error + Send + Sync> {
    match error {
        sqlx::Error::Database(server) => Box::new(ServerError {
            code: server.code().unwrap_or_default().into_owned(),
            message: server.message().to_owned(),
        }),
        sqlx::Error::PoolTimedOut => "no database connection became free in time".into(),
        other => Box::new(other),
    }
}

/// Something stored cannot be read as what it should be.
pub(super) fn corrupt(operation: &'static str, error: impl fmt::Display) -> StorageError {
    StorageError::new(StorageErrorKind::Corrupt, operation, error.to_string())
}

/// A lease has gone to another owner.
pub(super) fn fenced(operation: &'static str) -> StorageError {
    StorageError::new(StorageErrorKind::Fenced, operation, "the lease has gone to another owner")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_decide_what_to_do() {
        for (code, kind) in [
            ("40001", StorageErrorKind::Contention),
            ("40P01", StorageErrorKind::Contention),
            ("55P03", StorageErrorKind::Contention),
            ("57P01", StorageErrorKind::Unavailable),
            ("57014", StorageErrorKind::Unavailable),
            ("08006", StorageErrorKind::Unavailable),
            ("53300", StorageErrorKind::Unavailable),
            ("53100", StorageErrorKind::Full),
            ("23505", StorageErrorKind::Constraint),
            ("XX001", StorageErrorKind::Corrupt),
            ("42P01", StorageErrorKind::Other),
        ] {
            assert_eq!(kind_of_state(code), kind, "{code}");
        }
    }
}
