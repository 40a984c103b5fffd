use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::Repositories,
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{Clock, OutboxStore},
    testing::{FakeClock, MemoryRepositories, SequentialIds, memory_storage::MemoryStorage},
};
use activelog_domain::event::{EventEnvelope, JSON};
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Storage in memory, its clock, and tasks on it.
pub(crate) struct Setting {
    pub(crate) toolkit: MemoryStorage,
    pub(crate) repositories: MemoryRepositories,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Setting {
    pub(crate) fn new() -> Self {
        let toolkit = MemoryStorage::new();
        let repositories = MemoryRepositories::relayed_by(toolkit.clone());
        let (clock, stop) = (Arc::new(FakeClock::default()), CancellationToken::new());
        Self { toolkit, repositories, clock, stop, tasks: Vec::new() }
    }

    /// The clock's time in so many seconds.
    pub(crate) fn in_seconds(&self, seconds: i64) -> Timestamp {
        self.clock.now().checked_add(SignedDuration::from_secs(seconds)).expect("a time that there is")
    }

    /// Lets so many seconds pass, on the clock and for tasks alike.
    pub(crate) async fn pass(&self, seconds: u64) {
        for _ in 0..seconds * 10 {
            self.clock.advance(SignedDuration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) fn run(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task));
    }

    /// Ends the tasks.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("no panic");
        }
    }

    pub(crate) fn orchestrator(&self) -> Orchestrator<dyn Repositories> {
        let ids = Arc::new(SequentialIds::default());
        let units = Arc::new(self.repositories.clone());
        Orchestrator::new(units, self.clock.clone(), ids, OrchestratorOptions::default())
    }

    /// How much waits in the outbox.
    pub(crate) async fn depth(&self) -> u64 {
        self.toolkit.depth().await.expect("a depth").events
    }
}

pub(crate) fn event(key: &str, sequence: u64) -> EventEnvelope {
    let hash = key.bytes().fold(7_u128, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    EventEnvelope {
        id: Uuid::from_u128(hash << 64 | u128::from(sequence)),
        source: "/test".into(),
        name: "thing.done".into(),
        subject: key.into(),
        time: Timestamp::UNIX_EPOCH,
        content_type: JSON.into(),
        version: 1,
        partition_key: key.into(),
        sequence,
        correlation_id: Uuid::nil(),
        causation_id: None,
        trace: None,
        data: bytes::Bytes::from_static(b"{}"),
    }
}
