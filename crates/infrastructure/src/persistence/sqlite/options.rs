use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::{Instant, sleep};

use super::error_mapping::is_busy;

/// How a SQLite database is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The file. It and its folder are made if they are missing, readable by their owner alone.
    pub path: PathBuf,
    /// The most connections for reading, at least 1. They are opened when they are needed.
    pub readers: u32,
    /// How long to wait for a turn to write, for the write lock of another process, or for a free reader.
    pub acquire_timeout: Duration,
    /// The most units of work in one commit, at least 1.
    pub max_batch: usize,
    /// The age at which a commit is due although more work waits: the bound on what the first of a group waits for the others.
    /// On a disk so slow that commits take longer than a quarter of it, groups may collect for four times the last commit.
    pub max_batch_age: Duration,
}

impl SqliteOptions {
    /// The defaults for the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 4,
            acquire_timeout: Duration::from_secs(3),
            max_batch: 100,
            max_batch_age: Duration::from_millis(5),
        }
    }
}

/// WAL pages (4 KiB each) after which a commit copies them into the database. The default of 1,000 would make every few
/// group commits pay for it.
const CHECKPOINT_PAGES: &str = "4000";

/// What a WAL that has grown beyond it is cut back to, in bytes.
const JOURNAL_SIZE_LIMIT: &str = "67108864";

/// The connection that writes. It makes the file if it is missing.
pub(super) fn writing(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("journal_size_limit", JOURNAL_SIZE_LIMIT)
        .pragma("cache_size", "-16000")
        // Every statement exists in a variant per savepoint prefix.
        .statement_cache_capacity(512)
        .thread_name(|_| "sqlite-writer".to_owned())
        // Failures are told where they are handled; a line per statement would cost more than the statement.
        .disable_statement_logging()
}

/// How long to wait before a connection is tried again that could not be opened.
const RETRY: Duration = Duration::from_millis(10);

/// Opens the connection that writes.
///
/// Of several that open a new file, and give it a log (WAL) each, SQLite tells all but one at once that it is busy, however long they are told to wait. They try again, for `acquire_timeout`.
pub(super) async fn open_writing(options: &SqliteOptions) -> Result<SqliteConnection, sqlx::Error> {
    let (writing, deadline) =
        (writing(&options.path, options.acquire_timeout), Instant::now() + options.acquire_timeout);
    loop {
        match SqliteConnection::connect_with(&writing).await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(RETRY).await,
            opened => return opened,
        }
    }
}

/// A connection that only reads.
pub(super) fn reading(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(busy_timeout)
        .pragma("temp_store", "memory")
        .pragma("query_only", "on")
        .thread_name(|id| format!("sqlite-reader-{id}"))
        .disable_statement_logging()
}
