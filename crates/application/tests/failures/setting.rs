//! Dead letters in memory, seen through a store that keeps a record and fails as told.

use std::sync::{Arc, Mutex};

use activelog_application::{
    failures::FailedEvents,
    ports::{
        Addressed, AfterDeadLetter, DeadLetter, DeadLetterFilter, DeadLetters, DeathReason, Failures, Listed,
        ParkingStore, StorageError, StorageErrorKind,
    },
    testing::{MemoryFailures, MemoryRepositories, broker::event},
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

/// When the first dead letter died; each other a second after the one before.
pub(crate) const FIRST_DEATH: Timestamp = Timestamp::constant(1_773_338_400, 0);

/// Dead letters and what was done with them.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) store: MemoryFailures,
    pub(crate) seen: Arc<Seen>,
    pub(crate) failed: FailedEvents,
}

/// What the store was asked to change, and how it is to behave.
#[derive(Default)]
pub(crate) struct Seen {
    replayed: Mutex<Vec<i64>>,
    failing: Mutex<Vec<(i64, StorageErrorKind)>>,
    inert: Mutex<bool>,
}

struct Watched {
    store: MemoryFailures,
    seen: Arc<Seen>,
}

impl Setting {
    pub(crate) fn new() -> Self {
        let store = MemoryRepositories::new().failures();
        let seen = Arc::new(Seen::default());
        let watched = Watched { store: store.clone(), seen: seen.clone() };
        let failed = FailedEvents::new(Arc::new(watched), Arc::new(store.clone()));
        Self { store, seen, failed }
    }

    /// With dead letters 1 to `count` of `lanes` aggregates in turn.
    pub(crate) async fn with(count: u32, lanes: u32) -> Self {
        let setting = Self::new();
        for n in 0..count {
            setting.bury("figures", &format!("thing-{}", n % lanes), n / lanes + 1).await;
        }
        setting
    }

    /// Has another event die.
    pub(crate) async fn bury(&self, handler: &str, subject: &str, sequence: u32) {
        let event = Arc::new(event("thing.made", subject, sequence.into()));
        let addressed = Addressed { handler: handler.to_owned(), group: "g".to_owned(), event };
        let count = self.store.count(&DeadLetterFilter::default()).await.expect("a count");
        let at = FIRST_DEATH + SignedDuration::from_secs(i64::try_from(count).expect("few"));
        let failures = Failures { attempts: 3, first_at: at, last_at: at, error: "no".to_owned() };
        let buried = self.store.bury(&addressed, DeathReason::Exhausted, &failures, AfterDeadLetter::Continue).await;
        assert!(buried.expect("memory takes it"));
    }

    pub(crate) async fn letter(&self, id: i64) -> DeadLetter {
        self.store.find(id).await.expect("memory can be read").expect("it is there")
    }
}

impl Seen {
    /// The numbers that were replayed, in the order in which that was asked for.
    pub(crate) fn replayed(&self) -> Vec<i64> {
        self.replayed.lock().expect("not poisoned").clone()
    }

    /// Fails to replay this number, once.
    pub(crate) fn fail(&self, id: i64, kind: StorageErrorKind) {
        self.failing.lock().expect("not poisoned").push((id, kind));
    }

    /// Has every replay say that it was done, and the letter be dead again at once.
    pub(crate) fn have_all_die_again(&self) {
        *self.inert.lock().expect("not poisoned") = true;
    }

    fn check(&self, id: i64) -> Result<(), StorageError> {
        let mut failing = self.failing.lock().expect("not poisoned");
        match failing.iter().position(|(of, _)| *of == id) {
            Some(index) => Err(StorageError::new(failing.remove(index).1, "replay dead letter", "as the test wants")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl DeadLetters for Watched {
    async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError> {
        DeadLetters::list(&self.store, filter, before, limit).await
    }

    async fn find(&self, id: i64) -> Result<Option<DeadLetter>, StorageError> {
        self.store.find(id).await
    }

    async fn count(&self, filter: &DeadLetterFilter) -> Result<u64, StorageError> {
        self.store.count(filter).await
    }

    async fn replay(&self, id: i64) -> Result<bool, StorageError> {
        self.seen.check(id)?;
        self.seen.replayed.lock().expect("not poisoned").push(id);
        // Others have their turn in between, as with a database.
        tokio::task::yield_now().await;
        if *self.seen.inert.lock().expect("not poisoned") { Ok(true) } else { self.store.replay(id).await }
    }

    async fn discard(&self, id: i64) -> Result<bool, StorageError> {
        self.store.discard(id).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.store.prune(before, limit).await
    }
}
