use std::error::Error;

/// A database could not be made ready for use. The message says what happened and what to do; it never holds a password.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// It cannot be reached or opened.
    #[error("the database at {location} cannot be opened: {source}")]
    Open {
        /// Where it was looked for, without credentials.
        location: String,
        /// Why, and what to do.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A newer program has migrated it.
    #[error(
        "the database has schema version {found} and this program knows versions up to {known}: upgrade the program, \
         or point it at another database"
    )]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest version this program knows.
        known: i64,
    },
    /// It was not migrated, and this run must not migrate it.
    #[error("the database has schema version {found} and this program needs {known}: run `activelog migrate`")]
    OlderSchema {
        /// The version found; 0 for an empty database.
        found: i64,
        /// The version this program needs.
        known: i64,
    },
    /// A migration failed. It was rolled back.
    #[error("the database schema could not be brought up to date, nothing was changed: {source}")]
    Migrate {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The URL does not name a database this program can use.
    #[error("the database URL is not valid: {reason}")]
    InvalidUrl {
        /// What is wrong with it and what it should look like.
        reason: String,
    },
}
