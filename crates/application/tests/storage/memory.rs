//! The storage in memory passes.

use std::sync::Arc;

use activelog_application::testing::{
    MemoryRepositories,
    memory_storage::MemoryStorage,
    storage::{LeaseTime, Storage, StorageFixture, cases},
};
use async_trait::async_trait;

/// Every port on the storage in memory.
pub(crate) fn storage_on(toolkit: &MemoryStorage, repositories: &MemoryRepositories) -> Storage {
    Storage {
        factory: Arc::new(repositories.clone()),
        outbox: Arc::new(toolkit.clone()),
        journal: Arc::new(toolkit.clone()),
        positions: Arc::new(toolkit.clone()),
        leases: Arc::new(toolkit.clone()),
        parking: Arc::new(repositories.failures()),
        dead_letters: Arc::new(repositories.failures()),
        crash_marks: Arc::new(repositories.failures()),
        replays: Arc::new(repositories.failures()),
        scheduled: Arc::new(repositories.clone()),
        retention: Arc::new(repositories.clone()),
        webhooks: Arc::new(repositories.clone()),
        queries: Arc::new(repositories.clone()),
        lease_time: LeaseTime::Real,
        keep: Arc::new(()),
    }
}

struct InMemory;

#[async_trait]
impl StorageFixture for InMemory {
    async fn fresh(&self) -> Result<Storage, String> {
        let toolkit = MemoryStorage::new();
        Ok(storage_on(&toolkit, &MemoryRepositories::relayed_by(toolkit.clone())))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_storage_in_memory_passes() {
    let fixture = Arc::new(InMemory);
    let mut wrong = Vec::new();
    for case in cases() {
        if let Err(found) = (case.run)(fixture.clone()).await {
            wrong.push(format!("{}: {found}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
