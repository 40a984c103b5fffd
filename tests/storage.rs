//! Every storage against the same suite.
//!
//! `cargo test --test storage` runs all; a filter such as `sqlite::` or `leases` chooses. Adding a storage: one function and one line
//! in [`STORAGES`].

#[cfg(feature = "postgres")]
mod support;

use std::{process::ExitCode, sync::Arc};

use activelog_application::{
    activity::ports::{Queries, Repositories},
    ports::{
        CrashMarks, DeadLetters, GroupPositions, Journal, LeaseStore, OutboxStore, ParkingStore, Replays, Retention,
        ScheduledEvents, UnitOfWorkFactory,
    },
    testing::{
        MemoryRepositories,
        memory_storage::MemoryStorage,
        storage::{Case, LeaseTime, Storage, StorageFixture, cases},
    },
    webhook::ports::WebhookStore,
};
use async_trait::async_trait;
use futures::future::BoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};

/// Makes a storage of its own; `None` where its server is missing, which has been said.
type Make = fn() -> BoxFuture<'static, Result<Option<Storage>, String>>;

/// The storages, by the name their tests begin with.
const STORAGES: &[(&str, Make)] = &[
    ("memory", || Box::pin(memory())),
    #[cfg(feature = "sqlite")]
    ("sqlite", || Box::pin(sqlite())),
    #[cfg(feature = "postgres")]
    ("postgres", || Box::pin(postgres())),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases mostly wait, so more run at once than there are processors.
    arguments.test_threads = arguments.test_threads.or(Some(4));
    let mut trials = Vec::new();
    for (storage, make) in STORAGES {
        let left_out = is_left_out(storage);
        for case in cases() {
            let name = format!("{storage}::{}", case.name);
            let trial = Trial::test(name, move || run(case, *make).map_err(Failed::from));
            trials.push(trial.with_ignored_flag(left_out));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether its server is missing, which has been said: its cases then show as ignored. Where servers are required they run, and fail.
fn is_left_out(name: &str) -> bool {
    #[cfg(feature = "postgres")]
    if name.ends_with("postgres") && !support::require_servers() {
        return support::postgres().is_none();
    }
    // Without the feature there is nothing that needs a server.
    let _ = name;
    false
}

fn run(case: Case, make: Make) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        let Some(storage) = make().await? else { return Ok(()) };
        (case.run)(Arc::new(Made(storage))).await
    })
}

/// A storage that was made for one case.
struct Made(Storage);

#[async_trait]
impl StorageFixture for Made {
    async fn fresh(&self) -> Result<Storage, String> {
        Ok(self.0.clone())
    }
}

async fn memory() -> Result<Option<Storage>, String> {
    let toolkit = MemoryStorage::new();
    let repositories = MemoryRepositories::relayed_by(toolkit.clone());
    Ok(Some(of_database(toolkit, repositories.failures(), repositories, ())))
}

/// A SQLite file of its own.
#[cfg(feature = "sqlite")]
async fn sqlite() -> Result<Option<Storage>, String> {
    use activelog_infrastructure::{
        clock::SystemClock,
        persistence::sqlite::{SqliteDatabase, SqliteOptions},
    };
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let options = SqliteOptions::new(folder.path().join("storage.sqlite"));
    let database = SqliteDatabase::open(options, Arc::new(SystemClock)).await.map_err(|e| e.to_string())?;
    database.migrate().await.map_err(|e| e.to_string())?;
    Ok(Some(of_database(database.clone(), database.clone(), database, folder)))
}

/// A PostgreSQL database of its own.
#[cfg(feature = "postgres")]
async fn postgres() -> Result<Option<Storage>, String> {
    use activelog_infrastructure::{
        clock::SystemClock,
        persistence::postgres::{PgDatabase, PgOptions},
    };
    let Some(url) = support::fresh_database() else { return Ok(None) };
    let options = PgOptions::new(&url).map_err(|e| e.to_string())?;
    let database = PgDatabase::connect(options, Arc::new(SystemClock)).await.map_err(|e| e.to_string())?;
    database.migrate().await.map_err(|e| e.to_string())?;
    Ok(Some(of_database(database.clone(), database.clone(), database, ())))
}

/// Every port on these; `keep` lives as long as the storage.
fn of_database<T, F, R, K>(toolkit: T, failures: F, repositories: R, keep: K) -> Storage
where
    T: OutboxStore + Journal + GroupPositions + LeaseStore + Clone,
    F: ParkingStore + DeadLetters + CrashMarks + Replays + Clone,
    R: UnitOfWorkFactory<dyn Repositories> + WebhookStore + Queries + ScheduledEvents + Retention + Clone,
    K: Send + Sync + 'static,
{
    Storage {
        factory: Arc::new(repositories.clone()),
        outbox: Arc::new(toolkit.clone()),
        journal: Arc::new(toolkit.clone()),
        positions: Arc::new(toolkit.clone()),
        leases: Arc::new(toolkit),
        parking: Arc::new(failures.clone()),
        dead_letters: Arc::new(failures.clone()),
        crash_marks: Arc::new(failures.clone()),
        replays: Arc::new(failures),
        scheduled: Arc::new(repositories.clone()),
        retention: Arc::new(repositories.clone()),
        webhooks: Arc::new(repositories.clone()),
        queries: Arc::new(repositories),
        lease_time: LeaseTime::Real,
        keep: Arc::new(keep),
    }
}
