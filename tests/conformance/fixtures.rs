//! Connects the suite to the adapters.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    ports::{Broker, GroupPositions, Journal, LeaseStore, Signal},
    testing::{broker::BrokerFixture, memory_storage::MemoryStorage},
};
use activelog_infrastructure::{
    broker::{
        BrokerRegistry, BrokerResources,
        database::{DatabaseBroker, DatabaseOptions},
        memory::MemoryBroker,
    },
    id_generator::UuidV7Generator,
};
use async_trait::async_trait;

/// The broker in memory.
pub(crate) async fn memory() -> Option<Arc<dyn BrokerFixture>> {
    Some(Arc::new(Memory(MemoryBroker::default())))
}

struct Memory(MemoryBroker);

#[async_trait]
impl BrokerFixture for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn broker(&self) -> Broker {
        self.0.broker()
    }
}

/// The broker on the journal, over storage in memory.
pub(crate) async fn database_on_memory() -> Option<Arc<dyn BrokerFixture>> {
    let storage = MemoryStorage::new();
    let signal = storage.signal();
    Some(database("database on memory", Arc::new(storage), signal, ()))
}

/// The broker on the journal, over a SQLite file of its own.
#[cfg(feature = "sqlite")]
#[expect(clippy::expect_used, reason = "a fixture that cannot start fails its test")]
pub(crate) async fn database_on_sqlite() -> Option<Arc<dyn BrokerFixture>> {
    use activelog_infrastructure::{
        clock::SystemClock,
        persistence::sqlite::{SqliteDatabase, SqliteOptions},
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = SqliteOptions::new(folder.path().join("conformance.sqlite"));
    let storage = SqliteDatabase::open(options, Arc::new(SystemClock)).await.expect("a database");
    storage.migrate().await.expect("migrations run");
    let signal = storage.journal_signal();
    Some(database("database on SQLite", Arc::new(storage), signal, folder))
}

/// The broker on the journal, over a PostgreSQL database of its own.
#[cfg(feature = "postgres")]
#[expect(clippy::expect_used, reason = "a fixture that cannot start fails its test")]
pub(crate) async fn database_on_postgres() -> Option<Arc<dyn BrokerFixture>> {
    use activelog_infrastructure::{
        clock::SystemClock,
        persistence::postgres::{PgDatabase, PgOptions},
    };
    let url = crate::support::fresh_database()?;
    let options = PgOptions::new(&url).expect("a valid URL");
    let storage = PgDatabase::connect(options, Arc::new(SystemClock)).await.expect("it is there");
    storage.migrate().await.expect("migrations run");
    let signal = storage.journal_signal();
    Some(database("database on PostgreSQL", Arc::new(storage), signal, ()))
}

/// The broker on the journal, over any storage; `keep` lives as long as the fixture.
pub(crate) fn database<S, K>(name: &'static str, storage: Arc<S>, signal: Signal, keep: K) -> Arc<dyn BrokerFixture>
where
    S: Journal + GroupPositions + LeaseStore,
    K: Send + Sync + 'static,
{
    let (journal, positions, leases) = (storage.clone(), storage.clone(), storage);
    let broker =
        DatabaseBroker::new(journal, positions, leases, signal, Arc::new(UuidV7Generator), DatabaseOptions::default());
    Arc::new(Database { name, broker, _keep: keep })
}

struct Database<K> {
    name: &'static str,
    broker: DatabaseBroker,
    _keep: K,
}

#[async_trait]
impl<K: Send + Sync + 'static> BrokerFixture for Database<K> {
    fn name(&self) -> &str {
        self.name
    }

    /// Its database may be a server, on a disk that other tests use too.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn broker(&self) -> Broker {
        self.broker.broker()
    }
}

/// A broker on a server, in a namespace of its own.
#[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
pub(crate) async fn by_url(kind: crate::support::Kind) -> Option<Arc<dyn BrokerFixture>> {
    Some(Arc::new(ByUrl { name: kind.name(), url: crate::support::fresh_namespace(kind)? }))
}

#[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
struct ByUrl {
    name: &'static str,
    url: String,
}

#[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
#[async_trait]
impl BrokerFixture for ByUrl {
    fn name(&self) -> &str {
        self.name
    }

    /// Every event is synced to a disk that other tests use too.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    #[expect(clippy::expect_used, reason = "a fixture that cannot connect fails its test")]
    async fn broker(&self) -> Broker {
        let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
        BrokerRegistry::with_builtin().connect(&self.url, resources).await.expect("the server is there")
    }
}
