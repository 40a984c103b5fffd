use std::{path::Path, sync::Arc};

use activelog_application::{
    activity::ports::{Queries, Repositories},
    ports::{
        Clock, CrashMarks, DeadLetters, DiskSpace, GroupPositions, Journal, LeaseStore, OutboxStore, ParkingStore,
        Replays, Retention, ScheduledEvents, Signal, UnitOfWorkFactory,
    },
    webhook::ports::WebhookStore,
};
use futures::future::BoxFuture;

use crate::config::{DatabaseUrl, SecretUrl, StorageConfig};

/// One database, as the ports it implements.
pub struct Storage {
    /// For people: `sqlite ./activelog-data/activelog.db`, without secrets.
    pub description: String,
    /// Begins units of work.
    pub units: Arc<dyn UnitOfWorkFactory<dyn Repositories>>,
    /// The relay's side of the outbox.
    pub outbox: Arc<dyn OutboxStore>,
    /// The published events.
    pub journal: Arc<dyn Journal>,
    /// How far consumer groups are.
    pub positions: Arc<dyn GroupPositions>,
    /// Who owns which partition.
    pub leases: Arc<dyn LeaseStore>,
    /// Events that wait for another attempt.
    pub parking: Arc<dyn ParkingStore>,
    /// Events that were given up on.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Which events end the process.
    pub crash_marks: Arc<dyn CrashMarks>,
    /// Replays of the journal.
    pub replays: Arc<dyn Replays>,
    /// Events that wait for their time.
    pub scheduled: Arc<dyn ScheduledEvents>,
    /// What removes the old.
    pub retention: Arc<dyn Retention>,
    /// How much room is left, where it is known.
    pub disk: Option<Arc<dyn DiskSpace>>,
    /// Webhooks, for showing and sending.
    pub webhooks: Arc<dyn WebhookStore>,
    /// Reads, for showing.
    pub queries: Arc<dyn Queries>,
    /// Rings when this process has recorded events.
    pub outbox_signal: Signal,
    /// Rings when this process has published events.
    pub journal_signal: Signal,
    close: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

/// What to do about a schema that is not the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaPolicy {
    /// Bring it up to date.
    Migrate,
    /// Refuse to start.
    Refuse,
}

/// The storage that the URL names is not part of this build.
#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
#[derive(Debug, thiserror::Error)]
#[error("this program was compiled without {0}: rebuild it with `--features {0}`")]
struct NotCompiled(&'static str);

impl Storage {
    /// Opens the database that the configuration names.
    pub async fn open(config: &StorageConfig, clock: Arc<dyn Clock>, schema: SchemaPolicy) -> anyhow::Result<Self> {
        match &config.database_url {
            DatabaseUrl::Sqlite { path } => open_sqlite(config, path, clock, schema).await,
            DatabaseUrl::Postgres { url } => open_postgres(config, url, clock, schema).await,
        }
    }

    /// Waits for what is under way and closes every connection.
    pub async fn close(&self) {
        (self.close)().await;
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(
    config: &StorageConfig,
    path: &Path,
    clock: Arc<dyn Clock>,
    schema: SchemaPolicy,
) -> anyhow::Result<Storage> {
    use activelog_infrastructure::persistence::sqlite::{SqliteDatabase, SqliteOptions};
    // Opening makes the file, which is the start of bringing it up to date.
    if schema == SchemaPolicy::Refuse && !tokio::fs::try_exists(path).await.unwrap_or(true) {
        anyhow::bail!(
            "there is no database at {}; run `activelog serve` or `activelog migrate` to make it, or name another with --data-dir or \
             --database-url",
            path.display()
        );
    }
    let mut options = SqliteOptions::new(path);
    options.readers = config.readers;
    options.acquire_timeout = config.acquire_timeout;
    let database = SqliteDatabase::open(options, clock).await?;
    match schema {
        SchemaPolicy::Migrate => database.migrate().await?,
        SchemaPolicy::Refuse => database.check_schema().await?,
    }
    #[cfg(feature = "fault-injection")]
    if crate::fault_injection::is_on() {
        database.create_effect_ledger().await?;
    }
    let closing = database.clone();
    let shared = Arc::new(database);
    Ok(Storage {
        description: format!("sqlite {}", path.display()),
        outbox_signal: shared.outbox_signal(),
        journal_signal: shared.journal_signal(),
        units: shared.clone(),
        outbox: shared.clone(),
        journal: shared.clone(),
        positions: shared.clone(),
        leases: shared.clone(),
        parking: shared.clone(),
        dead_letters: shared.clone(),
        crash_marks: shared.clone(),
        replays: shared.clone(),
        scheduled: shared.clone(),
        retention: shared.clone(),
        disk: Some(shared.clone()),
        webhooks: shared.clone(),
        queries: shared,
        close: Box::new(move || {
            let database = closing.clone();
            Box::pin(async move { database.close().await })
        }),
    })
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(_: &StorageConfig, _: &Path, _: Arc<dyn Clock>, _: SchemaPolicy) -> anyhow::Result<Storage> {
    Err(NotCompiled("sqlite").into())
}

#[cfg(feature = "postgres")]
async fn open_postgres(
    config: &StorageConfig,
    url: &SecretUrl,
    clock: Arc<dyn Clock>,
    schema: SchemaPolicy,
) -> anyhow::Result<Storage> {
    use activelog_infrastructure::persistence::postgres::{PgDatabase, PgOptions};
    let mut options = PgOptions::new(url.expose())?;
    options.max_connections = config.max_connections;
    options.acquire_timeout = config.acquire_timeout;
    let description = format!("postgres {url}");
    let database = PgDatabase::connect(options, clock).await?;
    match schema {
        SchemaPolicy::Migrate => database.migrate().await?,
        SchemaPolicy::Refuse => database.check_schema().await?,
    }
    #[cfg(feature = "fault-injection")]
    if crate::fault_injection::is_on() {
        database.create_effect_ledger().await?;
    }
    let closing = database.clone();
    let shared = Arc::new(database);
    Ok(Storage {
        description,
        outbox_signal: shared.outbox_signal(),
        journal_signal: shared.journal_signal(),
        units: shared.clone(),
        outbox: shared.clone(),
        journal: shared.clone(),
        positions: shared.clone(),
        leases: shared.clone(),
        parking: shared.clone(),
        dead_letters: shared.clone(),
        crash_marks: shared.clone(),
        replays: shared.clone(),
        scheduled: shared.clone(),
        retention: shared.clone(),
        // The server knows, and says so when it is full.
        disk: None,
        webhooks: shared.clone(),
        queries: shared,
        close: Box::new(move || {
            let database = closing.clone();
            Box::pin(async move { database.close().await })
        }),
    })
}

#[cfg(not(feature = "postgres"))]
async fn open_postgres(
    _: &StorageConfig,
    _: &SecretUrl,
    _: Arc<dyn Clock>,
    _: SchemaPolicy,
) -> anyhow::Result<Storage> {
    Err(NotCompiled("postgres").into())
}
