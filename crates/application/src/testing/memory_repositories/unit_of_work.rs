use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use tokio::sync::OwnedMutexGuard;

use super::{factory::Shared, state::State};
use crate::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, Repositories, UserRepository,
    },
    ports::{CommitError, IdempotencyStore, Inbox, Outbox, Parking, StorageError, StorageErrorKind, UnitOfWork},
    webhook::ports::WebhookRepository,
};

/// A unit of work on a copy of what is stored.
pub(super) struct MemoryUnitOfWork {
    shared: Arc<Shared>,
    /// Copied at the first write.
    state: Arc<State>,
    poisoned: bool,
    _turn: OwnedMutexGuard<()>,
}

/// What every repository of a unit of work is: access to its state.
pub(super) struct Access<'a>(&'a mut MemoryUnitOfWork);

impl MemoryUnitOfWork {
    pub(super) fn new(shared: Arc<Shared>, turn: OwnedMutexGuard<()>) -> Self {
        Self { state: shared.committed(), shared, poisoned: false, _turn: turn }
    }

    fn check(&mut self, operation: &'static str) -> Result<(), StorageError> {
        if self.poisoned {
            let reason = "the unit of work is poisoned: a statement before this one failed";
            return Err(StorageError::new(StorageErrorKind::Other, operation, reason));
        }
        self.shared.check(operation).inspect_err(|_| self.poisoned = true)
    }
}

impl Access<'_> {
    /// The state for reading.
    pub(super) fn read(&mut self, operation: &'static str) -> Result<&State, StorageError> {
        self.0.check(operation)?;
        Ok(&self.0.state)
    }

    /// The state for writing.
    pub(super) fn write(&mut self, operation: &'static str) -> Result<&mut State, StorageError> {
        self.0.check(operation)?;
        Ok(Arc::make_mut(&mut self.0.state))
    }

    /// A failed statement: poisons the unit of work.
    pub(super) fn fail(
        &mut self,
        kind: StorageErrorKind,
        operation: &'static str,
        reason: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> StorageError {
        self.0.poisoned = true;
        StorageError::new(kind, operation, reason)
    }
}

#[async_trait]
impl UnitOfWork for MemoryUnitOfWork {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        Box::new(Access(self))
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        Box::new(Access(self))
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        Box::new(Access(self))
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        Box::new(Access(self))
    }

    async fn commit(mut self: Box<Self>) -> Result<(), CommitError> {
        self.check("commit").map_err(CommitError::RolledBack)?;
        self.shared.replace(self.state.clone());
        Ok(())
    }

    async fn rollback(self: Box<Self>) {}
}

impl Repositories for MemoryUnitOfWork {
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        Box::new(Access(self))
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        Box::new(Access(self))
    }

    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_> {
        Box::new(Access(self))
    }

    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_> {
        Box::new(Access(self))
    }

    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_> {
        Box::new(Access(self))
    }

    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_> {
        Box::new(Access(self))
    }

    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_> {
        Box::new(Access(self))
    }
}
