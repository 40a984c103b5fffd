//! The databases: how the program is pointed at them, how they are killed, and what can be read in them from beside the program.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use activelog_application::{activity::ports::Queries, ports::Journal};
use activelog_infrastructure::{
    clock::SystemClock,
    persistence::{
        postgres::{PgDatabase, PgOptions},
        sqlite::{SqliteDatabase, SqliteOptions},
    },
};
use sqlx::{
    Connection, FromRow, PgConnection, SqliteConnection,
    postgres::PgRow,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use uuid::Uuid;

use crate::support::PrivatePostgres;

/// How long a reader waits for a lock.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database of one scenario.
#[derive(Clone)]
pub(crate) enum Database {
    /// A file.
    Sqlite(PathBuf),
    /// A server of its own, which may be killed.
    Postgres(Arc<PrivatePostgres>),
}

/// The database on the server.
const NAME: &str = "faults";

impl Database {
    /// A file in `folder`.
    pub(crate) fn sqlite(folder: &Path) -> Self {
        Self::Sqlite(folder.join("data/activelog.db"))
    }

    /// A new server.
    pub(crate) fn postgres() -> Result<Self, String> {
        let server = PrivatePostgres::start().map_err(|missing| missing.to_string())?;
        server.create_database(NAME);
        Ok(Self::Postgres(Arc::new(server)))
    }

    /// Makes a database on a server that has none.
    pub(crate) fn on(server: PrivatePostgres) -> Self {
        server.create_database(NAME);
        Self::Postgres(Arc::new(server))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// What the program is told.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(server) => server.url(NAME),
        }
    }

    /// Kills the server, its backends with it, and waits until they are gone.
    pub(crate) async fn kill(&self) {
        if let Self::Postgres(server) = self {
            let server = server.clone();
            tokio::task::spawn_blocking(move || server.kill()).await.expect("it can be killed");
        }
    }

    /// Starts the server again and waits until it takes connections.
    pub(crate) async fn restart(&self) {
        if let Self::Postgres(server) = self {
            let server = server.clone();
            tokio::task::spawn_blocking(move || server.restart()).await.expect("it starts again");
        }
    }

    /// Starts the server again if it has ended by itself.
    pub(crate) async fn heal(&self) {
        if let Self::Postgres(server) = self
            && !server.is_running()
        {
            self.restart().await;
        }
    }

    /// The rows of a query that means the same on both.
    pub(crate) async fn rows<T>(&self, sql: &'static str) -> Result<Vec<T>, sqlx::Error>
    where
        T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(PATIENCE);
                let mut connection = SqliteConnection::connect_with(&options).await?;
                let rows = sqlx::query_as(sql).fetch_all(&mut connection).await;
                connection.close().await?;
                rows
            }
            Self::Postgres(server) => {
                let mut connection = PgConnection::connect(&server.url(NAME)).await?;
                let rows = sqlx::query_as(sql).fetch_all(&mut connection).await;
                connection.close().await?;
                rows
            }
        }
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &'static str) -> Result<i64, sqlx::Error> {
        Ok(self.rows::<(i64,)>(sql).await?.first().map_or(0, |(number,)| *number))
    }

    /// Whether an event with an id after this one, which is that of a time, has had its effect.
    pub(crate) async fn has_effect_after(&self, mark: Uuid) -> Result<bool, sqlx::Error> {
        const SQL: &str = "SELECT CAST(count(*) AS bigint) FROM effect_ledger WHERE event_id > $1";
        let count: i64 = match self {
            Self::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(PATIENCE);
                let mut connection = SqliteConnection::connect_with(&options).await?;
                sqlx::query_scalar(SQL).bind(mark).fetch_one(&mut connection).await?
            }
            Self::Postgres(server) => {
                let mut connection = PgConnection::connect(&server.url(NAME)).await?;
                sqlx::query_scalar(SQL).bind(mark).fetch_one(&mut connection).await?
            }
        };
        Ok(count > 0)
    }

    /// The application's own ways of reading it.
    pub(crate) async fn ports(&self) -> (Arc<dyn Journal>, Arc<dyn Queries>) {
        match self {
            Self::Sqlite(path) => {
                let database = SqliteDatabase::open(SqliteOptions::new(path), Arc::new(SystemClock)).await;
                let database = Arc::new(database.expect("the file can be opened"));
                (database.clone(), database)
            }
            Self::Postgres(server) => {
                let options = PgOptions::new(&server.url(NAME)).expect("a valid URL");
                let database = PgDatabase::connect(options, Arc::new(SystemClock)).await;
                let database = Arc::new(database.expect("the server is there"));
                (database.clone(), database)
            }
        }
    }
}
