//! The bridge between two brokers in memory, whose target fails, and which is killed wherever it may be.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use activelog_application::{
    bridge::{Bridge, BridgeEnd, BridgeError, BridgeOptions, RefusedEvents, RefusedEventsError},
    ports::{BrokerHealth, EventPattern, EventPublisher, PublishError, PublishErrorKind, StartFrom, Subscription},
    testing::broker::event,
};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::broker::memory::{MemoryBroker, MemoryOptions};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const KEYS: u64 = 7;

/// Events of several keys, each key's in the order of its sequence.
fn events(count: u64) -> Vec<EventEnvelope> {
    (0..count).map(|n| event("thing.done", &format!("thing-{}", n % KEYS), n / KEYS + 1)).collect()
}

async fn source(events: &[EventEnvelope]) -> MemoryBroker {
    let source = MemoryBroker::default();
    for outcome in source.broker().publisher.publish_batch(events).await {
        outcome.expect("memory takes it");
    }
    source
}

fn subscription() -> Subscription {
    Subscription::new("bridge", vec![EventPattern::all()]).prefetch(32)
}

fn bridge(source: &MemoryBroker, target: Arc<dyn EventPublisher>) -> Bridge {
    let options = BridgeOptions { until_drained: true, ..BridgeOptions::default() };
    Bridge::new(source.broker().subscriber, target, subscription(), options)
}

async fn run(bridge: &Bridge) -> Result<BridgeEnd, BridgeError> {
    let stop = CancellationToken::new();
    let running = bridge.run(&stop);
    tokio::time::timeout(Duration::from_secs(3_600), running).await.expect("it ends")
}

/// Fails unless the target has every event, each for the first time in the order of its key, and unchanged.
fn assert_copied(target: &MemoryBroker, sent: &[EventEnvelope]) {
    let mut seen = HashSet::new();
    let arrived: Vec<EventEnvelope> = target.published().into_iter().filter(|event| seen.insert(event.id)).collect();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for event in &arrived {
        let before = last.insert(&event.partition_key, event.sequence).unwrap_or(0);
        assert_eq!(event.sequence, before + 1, "{} comes out of order", event.partition_key);
    }
    let by_id: HashMap<Uuid, &EventEnvelope> = arrived.iter().map(|event| (event.id, event)).collect();
    assert_eq!(by_id.len(), sent.len(), "events are missing, or were made up");
    assert!(sent.iter().all(|event| by_id.get(&event.id) == Some(&event)), "an event was changed");
}

/// A target with trouble of all kinds, by a seed.
struct Troubled {
    sound: Arc<dyn EventPublisher>,
    chance: Mutex<fastrand::Rng>,
    /// Of how many attempts one fails.
    one_in: u32,
    /// How often it fails before it recovers.
    failures: AtomicU32,
}

impl Troubled {
    fn new(target: &MemoryBroker, seed: u64, one_in: u32) -> Self {
        let chance = Mutex::new(fastrand::Rng::with_seed(seed));
        Self { sound: target.broker().publisher, chance, one_in, failures: AtomicU32::new(200) }
    }

    /// How the next attempt fails, and whether the event is stored all the same.
    fn trouble(&self) -> Option<(PublishErrorKind, bool)> {
        let mut chance = self.chance.lock().expect("not poisoned");
        let fails = chance.u32(0..self.one_in) == 0 && self.failures.load(Ordering::Relaxed) > 0;
        fails.then(|| {
            self.failures.fetch_sub(1, Ordering::Relaxed);
            match chance.u8(0..3) {
                0 => (PublishErrorKind::Unavailable, false),
                1 => (PublishErrorKind::Unknown, false),
                _ => (PublishErrorKind::Unknown, true),
            }
        })
    }
}

#[async_trait]
impl EventPublisher for Troubled {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        self.publish_batch(std::slice::from_ref(event)).await.remove(0)
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        let (mut outcomes, mut failed) = (Vec::new(), HashSet::new());
        for event in events {
            // A place to be killed at, before and after each.
            tokio::time::sleep(Duration::from_millis(1)).await;
            if failed.contains(&event.partition_key) {
                outcomes.push(Err(PublishError::new(PublishErrorKind::Skipped, "an earlier one failed")));
                continue;
            }
            let trouble = self.trouble();
            if trouble.is_none_or(|(_, stored)| stored) {
                self.sound.publish(event).await.expect("memory takes it");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            outcomes.push(match trouble {
                None => Ok(()),
                Some((kind, _)) => {
                    failed.insert(event.partition_key.clone());
                    Err(PublishError::new(kind, "trouble"))
                }
            });
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        self.sound.health()
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.sound.close().await
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_copied_once_in_order_and_unchanged() {
    let (sent, target) = (events(500), MemoryBroker::default());
    let source = source(&sent).await;
    let bridge = bridge(&source, target.broker().publisher);
    assert_eq!(run(&bridge).await.expect("it is drained"), BridgeEnd::Drained);
    assert_eq!(target.published().len(), sent.len());
    assert_copied(&target, &sent);
    assert_eq!(bridge.progress().borrow().copied, 500);
    assert_eq!(run(&bridge).await.expect("nothing is left"), BridgeEnd::Drained);
    assert_eq!(target.published().len(), sent.len(), "it goes on where it was");
}

#[tokio::test(start_paused = true)]
async fn trouble_at_the_target_loses_nothing_and_keeps_the_order() {
    for seed in 0..100 {
        let (sent, target) = (events(200), MemoryBroker::default());
        let source = source(&sent).await;
        let bridge = bridge(&source, Arc::new(Troubled::new(&target, seed, 4)));
        assert_eq!(run(&bridge).await.unwrap_or_else(|error| panic!("seed {seed}: {error}")), BridgeEnd::Drained);
        assert_copied(&target, &sent);
        assert_eq!(bridge.progress().borrow().waiting, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bridge_that_is_killed_anywhere_loses_nothing_and_keeps_the_order() {
    for seed in 0..100 {
        let (sent, target) = (events(200), MemoryBroker::default());
        let source = source(&sent).await;
        let troubled: Arc<dyn EventPublisher> = Arc::new(Troubled::new(&target, seed, 20));
        let mut chance = fastrand::Rng::with_seed(seed);
        let (mut kills, mut copied) = (0, 0);
        loop {
            let bridge = bridge(&source, troubled.clone());
            let life = Duration::from_millis(chance.u64(1..300));
            // Dropped where it stands, which a kill between publishing and acknowledging is to both brokers.
            let ended = tokio::time::timeout(life, bridge.run(&CancellationToken::new())).await;
            copied += bridge.progress().borrow().copied;
            match ended {
                Ok(outcome) => break assert_eq!(outcome.expect("it is drained"), BridgeEnd::Drained),
                Err(_) => kills += 1,
            }
            // The last one lives long enough to see that nothing is left.
            if copied >= sent.len() as u64 {
                assert_eq!(run(&bridge).await.expect("it is drained"), BridgeEnd::Drained);
                break;
            }
        }
        assert!(kills > 0, "seed {seed}: it was never killed");
        assert_copied(&target, &sent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_the_target_does_not_take() {
    let (sent, target) = (events(50), MemoryBroker::default());
    let source = source(&sent).await;
    let troubled = Arc::new(Troubled { failures: AtomicU32::new(u32::MAX), ..Troubled::new(&target, 1, 1) });
    let (waiting, stop) = (bridge(&source, troubled), CancellationToken::new());
    let mut progress = waiting.progress();
    let seen = async {
        progress.wait_for(|progress| progress.waiting.is_some()).await.expect("it tells");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(waiting.run(&stop), seen);
    assert_eq!(ended.expect("a clean end"), BridgeEnd::Stopped);
    run(&bridge(&source, target.broker().publisher)).await.expect("it is drained");
    assert_copied(&target, &sent);
}

/// Keeps refused events in memory.
#[derive(Default)]
struct Kept(Mutex<Vec<(Uuid, String)>>);

#[async_trait]
impl RefusedEvents for Kept {
    async fn keep(&self, event: &EventEnvelope, reason: &str) -> Result<(), RefusedEventsError> {
        self.0.lock().expect("not poisoned").push((event.id, reason.to_owned()));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_stops_the_bridge_or_is_kept_and_nothing_is_lost() {
    let mut sent = events(100);
    sent[40].data = vec![b' '; 200].into();
    let refused = sent[40].id;
    let source = source(&sent).await;
    let target = MemoryBroker::new(MemoryOptions { max_payload: 100, ..MemoryOptions::default() });
    match run(&bridge(&source, target.broker().publisher)).await {
        Err(BridgeError::Refused { id, key, .. }) => assert_eq!((id, key), (refused, "thing-5".to_owned())),
        other => panic!("not refused: {other:?}"),
    }
    let later = |event: &EventEnvelope| event.partition_key == "thing-5" && event.sequence > sent[40].sequence;
    assert!(!target.published().iter().any(later), "later events of its key wait for it");

    let kept = Arc::new(Kept::default());
    let keeping = bridge(&source, target.broker().publisher).keep_refused(kept.clone());
    assert_eq!(run(&keeping).await.expect("it goes on"), BridgeEnd::Drained);
    assert_eq!(keeping.progress().borrow().refused, 1);
    let kept = kept.0.lock().expect("not poisoned");
    assert!(matches!(&kept[..], [(id, reason)] if *id == refused && reason.contains("200 bytes")), "{kept:?}");
    let arrived: HashSet<Uuid> = target.published().iter().map(|event| event.id).collect();
    assert_eq!(arrived, sent.iter().map(|event| event.id).filter(|id| *id != refused).collect());
}

#[tokio::test(start_paused = true)]
async fn only_what_is_asked_for_is_copied() {
    let (mut sent, target) = (events(20), MemoryBroker::default());
    sent.iter_mut().step_by(2).for_each(|event| event.name = "other.done".to_owned());
    let source = source(&sent).await;
    let only = Subscription::new("bridge", vec!["thing.*".parse().expect("a pattern")]).start(StartFrom::Earliest);
    let options = BridgeOptions { until_drained: true, ..BridgeOptions::default() };
    let bridge = Bridge::new(source.broker().subscriber, target.broker().publisher, only, options);
    run(&bridge).await.expect("it is drained");
    assert_eq!(target.published().len(), 10);
    assert!(target.published().iter().all(|event| event.name == "thing.done"));
}
