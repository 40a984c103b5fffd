use std::{error::Error, io, path::Path, sync::Arc};

use activelog_application::ports::{Clock, Signal, StorageError};
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions, sqlite::SqliteRow};

use super::{
    error_mapping::storage_error,
    options::{self, SqliteOptions},
    schema,
    session::Session,
    statement::Statement,
    writer::Writer,
};
use crate::persistence::DatabaseError;

/// A SQLite database. Cheap to clone; every clone is the same database.
#[derive(Clone)]
pub struct SqliteDatabase {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) writer: Arc<Writer>,
    readers: SqlitePool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) options: SqliteOptions,
}

impl SqliteDatabase {
    /// Opens the database, making folder and file if they are missing. The schema is not looked at: see
    /// [`migrate`](Self::migrate) and [`check_schema`](Self::check_schema). Must be called within a Tokio runtime.
    pub async fn open(options: SqliteOptions, clock: Arc<dyn Clock>) -> Result<Self, DatabaseError> {
        create_private(&options.path).await.map_err(|error| open_error(&options.path, explain_io(&error)))?;
        let session = Session::connect(&options).await.map_err(|error| open_error(&options.path, explain(&error)))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers.max(1))
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .connect_lazy_with(options::reading(&options.path, options.acquire_timeout));
        let writer = Writer::new(session, &options);
        Ok(Self { inner: Arc::new(Inner { writer, readers, clock, options }) })
    }

    /// Brings the schema up to date: the embedded migrations that are missing, all or none. Several processes may call it at
    /// once. Refuses a schema that is newer than this program.
    pub async fn migrate(&self) -> Result<(), DatabaseError> {
        schema::migrate(&self.inner.options).await
    }

    /// Fails unless the schema is exactly what this program needs.
    pub async fn check_schema(&self) -> Result<(), DatabaseError> {
        schema::check(&self.inner.options).await
    }

    /// Rings after a commit of this process that has appended to the outbox.
    pub fn outbox_signal(&self) -> Signal {
        self.inner.writer.outbox.clone()
    }

    /// Rings after a commit of this process that has appended to the journal.
    pub fn journal_signal(&self) -> Signal {
        self.inner.writer.journal.clone()
    }

    /// Lets units of work under way finish, then closes every connection. Later calls fail with `Unavailable`. Idempotent. When no other process has
    /// it open, all of the database is in its one file afterwards.
    pub async fn close(&self) {
        self.inner.writer.close(&self.inner.readers).await;
    }

    /// How many transactions were committed; each may hold many units of work.
    pub fn commits(&self) -> u64 {
        self.inner.writer.commits()
    }

    /// Runs a query on a read-only connection.
    pub(super) async fn fetch<T>(
        &self,
        statement: Statement,
        map: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StorageError> {
        let (operation, persistent) = (statement.operation, statement.persistent);
        let (sql, arguments) = statement.checked()?;
        let query = sqlx::query_with(sqlx::AssertSqlSafe(sql), arguments).persistent(persistent);
        let rows = query.fetch_all(&self.inner.readers).await.map_err(|error| storage_error(operation, error))?;
        rows.iter().map(map).collect::<Result<_, _>>().map_err(|error| storage_error(operation, error))
    }

    /// Runs a query on a read-only connection; answers its first row.
    pub(super) async fn fetch_optional<T>(
        &self,
        statement: Statement,
        map: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
    ) -> Result<Option<T>, StorageError> {
        Ok(self.fetch(statement, map).await?.into_iter().next())
    }
}

/// An error about the file at `path`.
pub(super) fn open_error(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> DatabaseError {
    DatabaseError::Open { location: path.display().to_string(), source: source.into() }
}

/// What SQLite said about opening a file, and what to do about it.
pub(super) fn explain(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|e| e.code()).and_then(|c| c.parse::<i32>().ok()).map(|c| c & 0xff);
    let advice = match code {
        Some(26) => "the file is not a SQLite database: point --database-url or --data-dir elsewhere",
        Some(8) => "the file is read-only: make it and its folder writable for this user",
        Some(14) => "the file or its folder cannot be opened: make both writable for this user",
        Some(5) => "another program holds a lock on it: stop that program",
        Some(11) => "the file is damaged: restore it from a backup",
        _ => return error.to_string(),
    };
    format!("{advice} ({error})")
}

fn explain_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("the folder is not writable: make it so for this user, or choose another with --data-dir ({error})")
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            format!("part of the path is a file, not a folder: choose another with --data-dir ({error})")
        }
        io::ErrorKind::IsADirectory => format!("it is a folder, not a file: name a file in it ({error})"),
        _ => error.to_string(),
    }
}

/// Makes the folder (0700) and an empty file (0600) where they are missing. SQLite gives its other files the rights of the
/// first one.
async fn create_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = tokio::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        builder.mode(0o700);
        builder.create(folder).await?;
    }
    let mut file = tokio::fs::OpenOptions::new();
    file.create(true).append(true);
    #[cfg(unix)]
    file.mode(0o600);
    file.open(path).await.map(drop)
}
