//! The storage that misbehaves as told passes what it has of the suite when it is told nothing: its units of work agree with its parking
//! store, dead letters and replays, with several transactions at once.

use std::sync::Arc;

use activelog_application::{
    activity::ports::{
        AchievementRepository, ActivityRepository, LeaderboardRepository, NotificationRepository,
        PeriodStatisticsRepository, Repositories, UserRepository,
    },
    ports::{
        CommitError, IdempotencyStore, Inbox, Outbox, Parking, StorageError, TransactionOptions, UnitOfWork,
        UnitOfWorkFactory,
    },
    testing::{
        FakeStorage, MemoryRepositories,
        memory_storage::MemoryStorage,
        storage::{Storage, StorageFixture, cases},
    },
    webhook::ports::WebhookRepository,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::memory::storage_on;

/// The ports whose cases such a storage has to pass.
const PORTS: [&str; 9] = [
    "inbox::",
    "parking::",
    "lanes::",
    "parking in a unit of work::",
    "parking at once::",
    "dead letters::",
    "lists of dead letters::",
    "crash marks::",
    "replays::",
];

/// The fake's units of work, with an outbox that a relay finds and repositories that nobody else sees.
#[derive(Clone)]
struct Fake {
    storage: Arc<FakeStorage>,
    toolkit: MemoryStorage,
}

struct Unit {
    fake: Box<dyn UnitOfWork>,
    others: Box<dyn Repositories>,
    toolkit: MemoryStorage,
    written: Vec<EventEnvelope>,
}

struct Writing<'a>(&'a mut Unit);

#[async_trait]
impl Outbox for Writing<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        self.0.fake.outbox().append(events).await?;
        self.0.written.extend_from_slice(events);
        Ok(())
    }

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        self.0.others.outbox().schedule(event, due).await
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        self.0.others.outbox().cancel(event_id).await
    }
}

#[async_trait]
impl UnitOfWorkFactory<dyn Repositories> for Fake {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn Repositories>, StorageError> {
        let others = UnitOfWorkFactory::<dyn Repositories>::begin(&MemoryRepositories::new(), options).await?;
        let fake = self.storage.begin(options).await?;
        Ok(Box::new(Unit { fake, others, toolkit: self.toolkit.clone(), written: Vec::new() }))
    }
}

#[async_trait]
impl UnitOfWork for Unit {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        Box::new(Writing(self))
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        self.fake.inbox()
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        self.fake.parking()
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        self.fake.idempotency()
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        self.fake.commit().await?;
        // Nothing comes in between: there is one thread, and nothing to wait for.
        self.toolkit.record(&self.written);
        Ok(())
    }

    async fn rollback(self: Box<Self>) {
        self.fake.rollback().await;
    }
}

impl Repositories for Unit {
    fn activities(&mut self) -> Box<dyn ActivityRepository + '_> {
        self.others.activities()
    }

    fn users(&mut self) -> Box<dyn UserRepository + '_> {
        self.others.users()
    }

    fn notifications(&mut self) -> Box<dyn NotificationRepository + '_> {
        self.others.notifications()
    }

    fn period_statistics(&mut self) -> Box<dyn PeriodStatisticsRepository + '_> {
        self.others.period_statistics()
    }

    fn achievements(&mut self) -> Box<dyn AchievementRepository + '_> {
        self.others.achievements()
    }

    fn leaderboards(&mut self) -> Box<dyn LeaderboardRepository + '_> {
        self.others.leaderboards()
    }

    fn webhooks(&mut self) -> Box<dyn WebhookRepository + '_> {
        self.others.webhooks()
    }
}

#[async_trait]
impl StorageFixture for Fake {
    async fn fresh(&self) -> Result<Storage, String> {
        let toolkit = MemoryStorage::new();
        let storage = FakeStorage::new();
        let failures = storage.failures();
        Ok(Storage {
            factory: Arc::new(Self { storage, toolkit: toolkit.clone() }),
            parking: Arc::new(failures.clone()),
            dead_letters: Arc::new(failures.clone()),
            crash_marks: Arc::new(failures.clone()),
            replays: Arc::new(failures),
            ..storage_on(&toolkit, &MemoryRepositories::new())
        })
    }
}

#[tokio::test]
async fn the_storage_that_is_told_nothing_passes() {
    let fixture = Arc::new(Fake { storage: FakeStorage::new(), toolkit: MemoryStorage::new() });
    let (mut wrong, mut passed) = (Vec::new(), 0);
    for case in cases().into_iter().filter(|case| PORTS.iter().any(|port| case.name.starts_with(port))) {
        match (case.run)(fixture.clone()).await {
            Ok(()) => passed += 1,
            Err(found) => wrong.push(format!("{}: {found}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(passed > 40, "only {passed} cases were run: a port has another name");
}
