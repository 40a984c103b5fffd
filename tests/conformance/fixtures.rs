//! Connects the suite to the adapters.

use std::sync::Arc;

use activelog_application::{
    ports::{Broker, GroupPositions, Journal, LeaseStore, Signal},
    testing::{broker::BrokerFixture, memory_storage::MemoryStorage},
};
use activelog_infrastructure::{
    broker::{
        database::{DatabaseBroker, DatabaseOptions},
        memory::MemoryBroker,
    },
    id_generator::UuidV7Generator,
};
use async_trait::async_trait;

/// The broker in memory.
pub async fn memory() -> Arc<dyn BrokerFixture> {
    Arc::new(Memory(MemoryBroker::default()))
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
pub async fn database_on_memory() -> Arc<dyn BrokerFixture> {
    let storage = MemoryStorage::new();
    let signal = storage.signal();
    database("database on memory", Arc::new(storage), signal, ())
}

/// The broker on the journal, over any storage; `keep` lives as long as the fixture.
pub fn database<S, K>(name: &'static str, storage: Arc<S>, signal: Signal, keep: K) -> Arc<dyn BrokerFixture>
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

    async fn broker(&self) -> Broker {
        self.broker.broker()
    }
}
