use std::time::{Duration, Instant};

use anyhow::ensure;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::{
    bench::{Database, read_only},
    process::Process,
};

/// How often it looks.
const POLL: Duration = Duration::from_millis(5);

/// How long something may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Sixteen rows that are never scanned more than that, however full the journal: the sum of its positions is what was published.
pub(crate) const PUBLISHED: &str = "SELECT CAST(coalesce(sum(position), 0) AS bigint) FROM journal_heads";

/// As few rows: what the group has acknowledged.
pub(crate) const ACKNOWLEDGED: &str = "SELECT CAST(coalesce(sum(position), 0) AS bigint) FROM group_positions";

/// Looks at a database from outside.
pub(crate) enum Observer {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Observer {
    pub(crate) async fn connect(database: &Database) -> anyhow::Result<Self> {
        Ok(match &database.file {
            Some(file) => Self::Sqlite(read_only(file).await?),
            None => Self::Postgres(PgConnection::connect(&database.url).await?),
        })
    }

    /// The number a query answers.
    pub(crate) async fn number(&mut self, query: &'static str) -> anyhow::Result<f64> {
        let number: i64 = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_one(connection).await?,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_one(connection).await?,
        };
        Ok(number as f64)
    }

    /// Ends the connection. One that looks at SQLite must not be the last to go: it cannot bring what is in the write-ahead log into the file, which is
    /// what gets copied.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.close().await?),
            Self::Postgres(connection) => Ok(connection.close().await?),
        }
    }
}

/// Looks on until `progress` answers `due`. Answers how much it rose a second since the first rise was seen, without that one; and when that was.
pub(crate) async fn watch(
    database: &Database,
    progress: &'static str,
    due: f64,
    process: &mut Process,
) -> anyhow::Result<(f64, Instant)> {
    let mut observer = Observer::connect(database).await?;
    let (start, mut first) = (Instant::now(), None);
    loop {
        let done = observer.number(progress).await?;
        let now = Instant::now();
        let (at, before) = *first.get_or_insert((now, done));
        if before == 0.0 {
            first = None;
        } else if done >= due {
            // In a small run the first look may find all of it done.
            let rate = if before < due { (due - before) / (now - at).as_secs_f64() } else { f64::NAN };
            observer.close().await?;
            return Ok((rate, at));
        }
        ensure!(start.elapsed() < PATIENCE, "{done} of {due} events were done within {PATIENCE:?}");
        process.ensure_runs()?;
        tokio::time::sleep(POLL).await;
    }
}
