use std::{
    cell::{Cell, OnceCell},
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, ensure};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::{
    arguments::Arguments,
    process::Process,
    support::{PrivatePostgres, ServerMissing, require_servers},
};

/// What all benchmarks share: how long, how often, and where.
pub(crate) struct Bench {
    /// How long one turn of a load lasts.
    pub(crate) turn: Duration,
    /// How many turns each side has; they alternate.
    pub(crate) rounds: usize,
    /// Little data: only whether it runs.
    pub(crate) smoke: bool,
    folder: TempDir,
    postgres: OnceCell<Result<PrivatePostgres, ServerMissing>>,
    next: Cell<u32>,
    runtime: Runtime,
}

impl Bench {
    pub(crate) fn new(arguments: &Arguments) -> anyhow::Result<Self> {
        let seconds = arguments.seconds.unwrap_or(if arguments.smoke { 1 } else { 5 });
        // Below `target`, as temporary folders are often in memory, where nothing is ever synced.
        let folder = tempfile::Builder::new().prefix("side-by-side-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self {
            turn: Duration::from_secs(seconds),
            rounds: if arguments.smoke { 1 } else { 3 },
            smoke: arguments.smoke,
            folder,
            postgres: OnceCell::new(),
            next: Cell::new(0),
            // One thread: the load must not take more of the machine from what it measures than it has to.
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    /// Where files go; gone with this.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs asynchronous work of this process.
    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// `full`, or less of it in a smoke run.
    pub(crate) fn size(&self, full: usize) -> usize {
        if self.smoke { full / 20 } else { full }
    }

    /// A new empty folder.
    pub(crate) fn new_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let number = self.next.replace(self.next.get() + 1);
        let folder = self.folder().join(format!("{name}-{number}"));
        std::fs::create_dir(&folder)?;
        Ok(folder)
    }

    /// A new SQLite database with activelog's schema.
    pub(crate) fn new_sqlite(&self, name: &str) -> anyhow::Result<Database> {
        let database = Database::sqlite(self.new_folder(name)?.join("activelog.db"));
        self.migrate(&database)?;
        Ok(database)
    }

    /// The private PostgreSQL, started with the first use. The error says how to get one.
    pub(crate) fn postgres(&self) -> anyhow::Result<Result<&PrivatePostgres, &ServerMissing>> {
        let server = self.postgres.get_or_init(PrivatePostgres::start).as_ref();
        if let Err(missing) = server {
            ensure!(!require_servers(), "ACTIVELOG_REQUIRE_SERVERS=1, and {missing}");
            eprintln!("LEFT OUT: {missing}");
        }
        Ok(server)
    }

    /// A new PostgreSQL database with activelog's schema.
    pub(crate) fn new_postgres(&self, server: &PrivatePostgres) -> anyhow::Result<Database> {
        let name = format!("bench_{}", self.next.replace(self.next.get() + 1));
        server.create_database(&name);
        let database = Database { url: server.url(&name), name, file: None };
        self.migrate(&database)?;
        Ok(database)
    }

    /// A copy of a database nobody uses at the moment.
    pub(crate) fn copy(&self, database: &Database) -> anyhow::Result<Database> {
        let Some(file) = &database.file else {
            let name = format!("bench_{}", self.next.replace(self.next.get() + 1));
            let statement = format!("CREATE DATABASE {name} TEMPLATE {}", database.name);
            self.block_on(on_server(&database.url, statement))?;
            let url = database.url.replace(&format!("/{}", database.name), &format!("/{name}"));
            return Ok(Database { url, name, file: None });
        };
        ensure!(!file.with_extension("db-wal").exists(), "{} is not all of the database", file.display());
        let copy = self.new_folder("copy")?.join("activelog.db");
        std::fs::copy(file, &copy)?;
        Ok(Database::sqlite(copy))
    }

    /// Removes a database nobody uses any more.
    pub(crate) fn remove(&self, database: &Database) -> anyhow::Result<()> {
        match database.file.as_deref().and_then(Path::parent) {
            Some(folder) => Ok(std::fs::remove_dir_all(folder)?),
            None => self.block_on(on_server(&database.url, format!("DROP DATABASE {} WITH (FORCE)", database.name))),
        }
    }

    fn migrate(&self, database: &Database) -> anyhow::Result<()> {
        Process::activelog(self.folder(), &["migrate", "--database-url", &database.url])?.finish().map(drop)
    }

    /// The number a query answers.
    pub(crate) fn number(&self, database: &Database, query: &'static str) -> anyhow::Result<i64> {
        self.block_on(async { database.number(query).await })
    }
}

/// A database of the run.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) url: String,
    name: String,
    /// Where it is, if it is SQLite.
    pub(crate) file: Option<PathBuf>,
}

impl Database {
    fn sqlite(file: PathBuf) -> Self {
        Self { url: format!("sqlite:{}", file.display()), name: String::new(), file: Some(file) }
    }

    /// The number a query answers, on a connection of its own.
    pub(crate) async fn number(&self, query: &'static str) -> anyhow::Result<i64> {
        let number = match &self.file {
            Some(file) => {
                let mut connection = read_only(file).await?;
                let number = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
                connection.close().await?;
                number
            }
            None => {
                let mut connection = PgConnection::connect(&self.url).await?;
                let number = sqlx::query_scalar(query).fetch_one(&mut connection).await?;
                connection.close().await?;
                number
            }
        };
        Ok(number)
    }
}

/// A connection that looks at a SQLite database while others write.
pub(crate) async fn read_only(file: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(Duration::from_secs(5));
    SqliteConnection::connect_with(&options).await.with_context(|| format!("cannot look at {}", file.display()))
}

/// Runs a statement on the server's own database.
async fn on_server(url: &str, statement: String) -> anyhow::Result<()> {
    let (server, _) = url.rsplit_once('/').context("a database URL with a path")?;
    let mut connection = PgConnection::connect(&format!("{server}/postgres")).await?;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
