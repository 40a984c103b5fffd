use std::sync::{Arc, Mutex, PoisonError, RwLock};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

use super::{state::State, unit_of_work::MemoryUnitOfWork};
use crate::{
    activity::ports::Repositories,
    ports::{StorageError, StorageErrorKind, TransactionOptions, UnitOfWork, UnitOfWorkFactory},
    testing::{MemoryFailures, memory_storage::MemoryStorage},
};

/// The activity log's storage in memory. Clones share what is stored.
#[derive(Debug, Clone, Default)]
pub struct MemoryRepositories(Arc<Shared>);

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) committed: RwLock<Arc<State>>,
    pub(super) writer: Arc<tokio::sync::Mutex<()>>,
    faults: Mutex<Vec<(&'static str, StorageErrorKind)>>,
    pub(super) relayed: Option<MemoryStorage>,
}

impl Shared {
    pub(super) fn committed(&self) -> Arc<State> {
        self.committed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a unit of work's state in place. The caller has its turn, so nothing else was committed since it began.
    pub(super) fn replace(&self, state: Arc<State>) {
        let before =
            std::mem::replace(&mut *self.committed.write().unwrap_or_else(PoisonError::into_inner), state.clone());
        if let Some(storage) = &self.relayed {
            storage.record(&state.outbox[before.outbox.len()..]);
        }
    }

    /// Fails if a fault was injected for this operation, once per injection.
    pub(super) fn check(&self, operation: &'static str) -> Result<(), StorageError> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        match faults.iter().position(|(name, _)| *name == operation) {
            Some(index) => Err(StorageError::new(faults.remove(index).1, operation, "injected by the test")),
            None => Ok(()),
        }
    }
}

impl MemoryRepositories {
    /// Nothing stored.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing stored, and committed events also go to `storage`, where a relay finds them: a whole application in memory.
    pub fn relayed_by(storage: MemoryStorage) -> Self {
        Self(Arc::new(Shared { relayed: Some(storage), ..Shared::default() }))
    }

    /// Makes the next `operation` fail with `kind`, as a driver would: the unit of work is poisoned. Operations go by the names in
    /// [`StorageError::operation`], such as `insert activity`; `begin` and `commit` are operations too. Several injections for one
    /// operation fail it several times.
    pub fn fail_next(&self, operation: &'static str, kind: StorageErrorKind) {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner).push((operation, kind));
    }

    /// Every event that was recorded and committed, in the order of recording. Nothing is ever taken out.
    pub fn outbox(&self) -> Vec<EventEnvelope> {
        self.committed().outbox.clone()
    }

    /// Its parking store, dead letters, crash marks and replays. Each of their changes is a transaction of its own, which waits for the
    /// unit of work that is open; operations can be made to fail as those of units of work.
    pub fn failures(&self) -> MemoryFailures {
        MemoryFailures::new(self.0.clone())
    }

    pub(super) fn committed(&self) -> Arc<State> {
        self.0.committed()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    async fn open(&self, options: TransactionOptions) -> Result<Box<MemoryUnitOfWork>, StorageError> {
        self.0.check("begin")?;
        let turn = tokio::time::timeout(options.deadline, self.0.writer.clone().lock_owned()).await;
        let turn = turn.map_err(|elapsed| StorageError::new(StorageErrorKind::Unavailable, "begin", elapsed))?;
        Ok(Box::new(MemoryUnitOfWork::new(self.0.clone(), turn)))
    }
}

#[async_trait]
impl UnitOfWorkFactory<dyn Repositories> for MemoryRepositories {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Repositories>, StorageError> {
        self.open(options).await.map(|uow| uow as Box<dyn Repositories>)
    }
}

#[async_trait]
impl UnitOfWorkFactory<dyn UnitOfWork> for MemoryRepositories {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn UnitOfWork>, StorageError> {
        self.open(options).await.map(|uow| uow as Box<dyn UnitOfWork>)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use activelog_domain::user::UserId;
    use uuid::Uuid;

    use super::*;
    use crate::ports::{CommitError, Isolation};

    const OPTIONS: TransactionOptions = TransactionOptions::new(Isolation::ReadCommitted, Duration::from_millis(20));

    async fn begin(store: &MemoryRepositories) -> Box<dyn Repositories> {
        store.begin(OPTIONS).await.expect("a unit of work")
    }

    async fn import(uow: &mut dyn Repositories) -> Result<bool, StorageError> {
        uow.activities().record_import(UserId(Uuid::nil()), "test", "1", Uuid::nil()).await
    }

    #[tokio::test]
    async fn only_a_commit_keeps_what_was_written() {
        let store = MemoryRepositories::new();
        let mut dropped = begin(&store).await;
        assert!(import(&mut *dropped).await.expect("an answer"));
        drop(dropped);
        let mut rolled_back = begin(&store).await;
        assert!(import(&mut *rolled_back).await.expect("an answer"));
        rolled_back.rollback().await;
        let mut committed = begin(&store).await;
        assert!(import(&mut *committed).await.expect("an answer"));
        committed.commit().await.expect("a commit");
        assert!(!import(&mut *begin(&store).await).await.expect("an answer"));
    }

    #[tokio::test]
    async fn a_failed_statement_poisons_the_unit_of_work() {
        let store = MemoryRepositories::new();
        let mut uow = begin(&store).await;
        assert!(import(&mut *uow).await.expect("an answer"));
        store.fail_next("record import", StorageErrorKind::Other);
        assert!(import(&mut *uow).await.is_err());
        assert!(uow.inbox().record("handler", Uuid::nil(), "key").await.is_err());
        assert!(matches!(uow.commit().await, Err(CommitError::RolledBack(_))));
        assert!(import(&mut *begin(&store).await).await.expect("an answer"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_unit_of_work_waits_no_longer_than_its_deadline() {
        let store = MemoryRepositories::new();
        let _first = begin(&store).await;
        let second: Result<Box<dyn Repositories>, _> = store.begin(OPTIONS).await;
        assert_eq!(second.map(|_| ()).expect_err("no turn").kind, StorageErrorKind::Unavailable);
    }
}
