//! Units of work that wait, break or lose their commit's answer as a test says.

use std::sync::{Arc, Mutex};

use activelog_application::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, Repositories, UserRepository,
    },
    ports::{
        CommitError, IdempotencyStore, Inbox, Outbox, Parking, StorageError, StorageErrorKind, TransactionOptions,
        UnitOfWork, UnitOfWorkFactory,
    },
    testing::{Gate, MemoryRepositories},
    webhook::ports::WebhookRepository,
};
use async_trait::async_trait;

/// What the next transaction does.
#[derive(Clone)]
pub(crate) enum Trouble {
    /// Its begin panics.
    Panic,
    /// It begins once the gate is open.
    Wait(Arc<Gate>),
    /// It commits, and the answer is lost.
    LoseAnswer,
}

/// The store in memory, with trouble.
#[derive(Clone, Default)]
pub(crate) struct TroubledStore {
    pub(crate) inner: MemoryRepositories,
    next: Arc<Mutex<Option<Trouble>>>,
}

impl TroubledStore {
    pub(crate) fn next(&self, trouble: Trouble) {
        *self.next.lock().expect("not poisoned") = Some(trouble);
    }
}

#[async_trait]
impl UnitOfWorkFactory<dyn Repositories> for TroubledStore {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Repositories>, StorageError> {
        let trouble = self.next.lock().expect("not poisoned").take();
        match &trouble {
            Some(Trouble::Panic) => panic!("secret internals"),
            Some(Trouble::Wait(gate)) => gate.pass().await,
            Some(Trouble::LoseAnswer) | None => {}
        }
        let inner: Box<dyn Repositories> = self.inner.begin(options).await?;
        Ok(Box::new(Troubled { inner, lose: matches!(trouble, Some(Trouble::LoseAnswer)) }))
    }
}

struct Troubled {
    inner: Box<dyn Repositories>,
    lose: bool,
}

#[async_trait]
impl UnitOfWork for Troubled {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        self.inner.outbox()
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        self.inner.inbox()
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        self.inner.parking()
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        self.inner.idempotency()
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        let lose = self.lose;
        self.inner.commit().await?;
        match lose {
            true => {
                Err(CommitError::Unknown(StorageError::new(StorageErrorKind::Unavailable, "commit", "connection lost")))
            }
            false => Ok(()),
        }
    }

    async fn rollback(self: Box<Self>) {
        self.inner.rollback().await;
    }
}

impl Repositories for Troubled {
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        self.inner.activities()
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        self.inner.users()
    }

    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_> {
        self.inner.notifications()
    }

    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_> {
        self.inner.period_statistics()
    }

    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_> {
        self.inner.achievements()
    }

    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_> {
        self.inner.leaderboards()
    }

    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_> {
        self.inner.webhooks()
    }
}
