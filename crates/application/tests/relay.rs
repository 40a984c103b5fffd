//! The relay on storage in memory and a scripted publisher: nothing is lost, nothing overtakes, and one event's trouble is its own.

#![expect(clippy::expect_used, reason = "a set-up that fails has failed the test")]

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use activelog_application::{
    ports::{
        BrokerHealth, EventPublisher, Journal, JournalCursor, OutboxStore, PublishError, PublishErrorKind, Signal,
    },
    relay::{Relay, RelayHealth, RelayOptions, RelayTarget},
    testing::memory_storage::MemoryStorage,
};
use activelog_domain::event::{EventEnvelope, JSON};
use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Events of `keys` keys, `each` of every key, interleaved.
fn events(keys: u64, each: u64) -> Vec<EventEnvelope> {
    let numbered = (1..=each).flat_map(|sequence| (0..keys).map(move |key| (key, sequence)));
    numbered.map(|(key, sequence)| event(&format!("thing-{key}"), sequence)).collect()
}

fn event(key: &str, sequence: u64) -> EventEnvelope {
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

/// A broker that does what the test says.
#[derive(Default)]
struct Scripted(Mutex<Script>);

#[derive(Default)]
struct Script {
    taken: Vec<(String, u64)>,
    away: bool,
    refused: HashSet<String>,
    attempts: u64,
}

impl Scripted {
    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was taken, by key.
    fn by_key(&self) -> BTreeMap<String, Vec<u64>> {
        let mut by_key: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (key, sequence) in &self.lock().taken {
            by_key.entry(key.clone()).or_default().push(*sequence);
        }
        by_key
    }
}

#[async_trait]
impl EventPublisher for Scripted {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        let mut script = self.lock();
        script.attempts += 1;
        if script.away {
            return Err(PublishError::new(PublishErrorKind::Unavailable, "away"));
        }
        if script.refused.contains(&event.partition_key) {
            return Err(PublishError::new(PublishErrorKind::Rejected, "refused"));
        }
        script.taken.push((event.partition_key.clone(), event.sequence));
        Ok(())
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        let keys: HashSet<&str> = events.iter().map(|event| event.partition_key.as_str()).collect();
        assert_eq!(keys.len(), events.len(), "at most one event of a key is under way");
        let mut outcomes = Vec::with_capacity(events.len());
        for event in events {
            outcomes.push(self.publish(event).await);
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth::Up
    }

    async fn close(&self) -> Result<(), PublishError> {
        Ok(())
    }
}

struct Running {
    storage: MemoryStorage,
    publisher: Arc<Scripted>,
    stop: CancellationToken,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    fn new() -> Self {
        let (storage, publisher) = (MemoryStorage::new(), Arc::new(Scripted::default()));
        Self { storage, publisher, stop: CancellationToken::new(), tasks: Vec::new() }
    }

    /// Starts a relay. Its own stop ends it alone, as a process that is stopped.
    fn relay(&mut self, member: u128, target: RelayTarget) -> (CancellationToken, Arc<Relay>) {
        let store = Arc::new(self.storage.clone());
        let options = RelayOptions { batch: 10, ..RelayOptions::default() };
        let member = Uuid::from_u128(member);
        let relay = Arc::new(Relay::new(store.clone(), store, target, Signal::new(), member, options));
        let (stop, running) = (self.stop.child_token(), relay.clone());
        let stopped = stop.clone();
        self.tasks.push(tokio::spawn(async move { running.run(&stopped).await }));
        (stop, relay)
    }

    fn broker(&self) -> RelayTarget {
        RelayTarget::Broker(self.publisher.clone())
    }

    /// Waits, in paused time, until the outbox holds this many events.
    async fn until_left(&self, left: u64) {
        let reached = async {
            while self.storage.depth().await.map(|depth| depth.events).ok() != Some(left) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(600), reached).await.expect("the outbox gets there");
    }

    async fn journal(&self) -> Vec<(String, u64)> {
        let entries = self.storage.read_all(&JournalCursor::default(), 1_000).await.expect("a journal");
        entries.into_iter().map(|entry| (entry.event.partition_key, entry.event.sequence)).collect()
    }

    async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            task.await.expect("no panic");
        }
    }
}

fn in_order(each: u64) -> Vec<u64> {
    (1..=each).collect()
}

#[tokio::test(start_paused = true)]
async fn publishes_in_order_per_key_and_moves_to_the_journal() {
    let mut running = Running::new();
    running.storage.record(&events(30, 5));
    let target = running.broker();
    let (_, relay) = running.relay(1, target);
    running.until_left(0).await;
    assert_eq!(*relay.health().borrow(), RelayHealth::Running { partitions: 16 });
    let by_key = running.publisher.by_key();
    assert_eq!((by_key.len(), by_key.values().all(|all| *all == in_order(5))), (30, true));
    assert_eq!(running.journal().await.len(), 150);
    running.end().await;
    assert_eq!(*relay.health().borrow(), RelayHealth::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_is_away_is_asked_seldom_and_loses_nothing() {
    let mut running = Running::new();
    running.publisher.lock().away = true;
    running.storage.record(&events(200, 3));
    let target = running.broker();
    running.relay(1, target);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let attempts = running.publisher.lock().attempts;
    // The first event of each of 200 keys, at most every second; a few more at first.
    assert!(attempts < 200 * 70, "{attempts} attempts: the backlog is not walked through in vain");
    assert_eq!(running.storage.depth().await.expect("a depth").events, 600);
    running.publisher.lock().away = false;
    running.until_left(0).await;
    assert!(running.publisher.by_key().values().all(|all| *all == in_order(3)));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_holds_its_key_only_also_behind_full_pages() {
    let mut running = Running::new();
    let refused: Vec<String> = (0..200).map(|key| format!("refused-{key}")).collect();
    running.publisher.lock().refused = refused.iter().cloned().collect();
    let of_refused = |sequence| refused.iter().map(move |key| event(key, sequence));
    running.storage.record(&of_refused(1).chain(of_refused(2)).collect::<Vec<_>>());
    running.storage.record(&events(30, 2));
    let target = running.broker();
    running.relay(1, target);
    running.until_left(400).await;
    // Long enough for pauses to end in the middle of passes.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(running.publisher.by_key().len(), 30, "nothing of a refused key");
    running.publisher.lock().refused.clear();
    running.until_left(0).await;
    assert!(running.publisher.by_key().values().all(|all| *all == in_order(2)), "nothing has overtaken");
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_relays_share_and_one_takes_over_from_the_other() {
    let mut running = Running::new();
    let target = running.broker();
    let (stop_first, _) = running.relay(1, target.clone());
    running.relay(2, target);
    running.storage.record(&events(30, 2));
    running.until_left(0).await;
    let shared = async {
        while running.storage.owned("relay").len() < 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), shared).await.expect("both get a share");
    stop_first.cancel();
    let later: Vec<_> = events(30, 4).into_iter().filter(|event| event.sequence > 2).collect();
    running.storage.record(&later);
    running.until_left(0).await;
    assert!(running.publisher.by_key().values().all(|all| *all == in_order(4)));
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn for_a_broker_on_the_journal_moving_is_publishing() {
    let mut running = Running::new();
    running.storage.record(&events(30, 3));
    running.relay(1, RelayTarget::Journal);
    running.until_left(0).await;
    assert_eq!(running.journal().await.len(), 90);
    assert_eq!(running.publisher.lock().attempts, 0);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn storage_that_is_away_is_waited_for() {
    let mut running = Running::new();
    running.storage.record(&events(5, 2));
    running.storage.set_outage(true);
    let target = running.broker();
    let (_, relay) = running.relay(1, target);
    let mut health = relay.health();
    health.wait_for(|health| matches!(health, RelayHealth::Waiting(_))).await.expect("it says so");
    running.storage.set_outage(false);
    running.until_left(0).await;
    assert_eq!(running.publisher.by_key().len(), 5);
    running.end().await;
}
