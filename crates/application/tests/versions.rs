//! Events of versions long left behind, and of versions not known yet: handlers see the newest version, whichever way an event comes, and
//! what cannot be read waits among the dead letters.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    activity::{handlers, ports::Repositories},
    delivery::{
        Entry, EventHandler, FailureMachine, FailurePolicy, Handled, HandlerError, Policies, Received, Retrier,
        RetrierOptions, Router, Routes,
    },
    orchestrator::{Orchestrator, OrchestratorOptions, Step},
    ports::{DeadLetter, DeadLetterFilter, DeadLetterState, DeadLetters, DeathReason, ParkedFilter, ParkingStore},
    testing::{FakeClock, MemoryFailures, MemoryRepositories, SequentialIds},
};
use activelog_domain::{
    activity::ActivityCreated,
    event::{AggregateRef, DomainEvent, EventData, EventEnvelope, UpcastError, Upcaster},
};
use async_trait::async_trait;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const POLICY: FailurePolicy = FailurePolicy {
    quick_attempts: 1,
    quick_pause: Duration::from_millis(1),
    attempts: 5,
    first_backoff: Duration::from_secs(1),
    longest_backoff: Duration::from_secs(1),
    crashes: 3,
    after_dead_letter: activelog_application::ports::AfterDeadLetter::Hold,
    time_limit: Duration::from_secs(5),
};

/// What was published as version 1.
fn version_1() -> Arc<EventEnvelope> {
    let golden = include_str!("../../domain/tests/golden/activity.created.v1.json");
    Arc::new(serde_json::from_str(golden).expect("the golden envelope decodes"))
}

/// The same event as another program might have published it.
fn changed(version: u32, data: &'static str) -> Arc<EventEnvelope> {
    let data = bytes::Bytes::from_static(data.as_bytes());
    Arc::new(EventEnvelope { version, data, ..(*version_1()).clone() })
}

/// A handler that keeps what it sees, after it has failed as it was told to.
struct Witness<E> {
    seen: Mutex<Vec<E>>,
    envelopes: Mutex<Vec<EventEnvelope>>,
    refusals: Mutex<VecDeque<HandlerError>>,
    called: Notify,
}

impl<E> Witness<E> {
    fn new(refusals: impl IntoIterator<Item = HandlerError>) -> Arc<Self> {
        let refusals = Mutex::new(refusals.into_iter().collect());
        Arc::new(Self { seen: Mutex::default(), envelopes: Mutex::default(), refusals, called: Notify::new() })
    }
}

#[async_trait]
impl<E: DomainEvent + Clone> EventHandler<E, dyn Repositories> for Witness<E> {
    fn name(&self) -> &'static str {
        "witness"
    }

    async fn handle(&self, received: &Received<'_, E>, _: &mut Step<'_, dyn Repositories>) -> Result<(), HandlerError> {
        if let Some(refusal) = self.refusals.lock().expect("not poisoned").pop_front() {
            return Err(refusal);
        }
        self.seen.lock().expect("not poisoned").push(received.event.clone());
        self.envelopes.lock().expect("not poisoned").push(received.envelope.clone());
        self.called.notify_one();
        Ok(())
    }
}

/// A worker's storage and clock.
struct Setting {
    store: MemoryRepositories,
    failures: MemoryFailures,
    clock: Arc<FakeClock>,
    machine: FailureMachine,
    stop: CancellationToken,
}

impl Setting {
    fn new() -> Self {
        let (store, clock, stop) =
            (MemoryRepositories::new(), Arc::new(FakeClock::default()), CancellationToken::new());
        let failures = store.failures();
        let machine = FailureMachine::new(Arc::new(failures.clone()), clock.clone(), "group", stop.clone());
        Self { store, failures, clock, machine, stop }
    }

    fn router(&self) -> Router<dyn Repositories> {
        let (store, ids) = (Arc::new(self.store.clone()), Arc::new(SequentialIds::default()));
        let orchestrator = Orchestrator::new(store, self.clock.clone(), ids, OrchestratorOptions::default());
        Router::new(orchestrator).policies(Policies::new(POLICY))
    }

    fn witnessed<E: DomainEvent + Clone>(&self, witness: &Arc<Witness<E>>) -> Routes {
        self.router().on::<E>(Arc::clone(witness)).build().expect("routes that work")
    }

    /// Has every handler take the event as it comes from the broker.
    async fn deliver(&self, routes: &Routes, event: &Arc<EventEnvelope>) -> Vec<Handled> {
        let mut handled = Vec::new();
        for handler in routes.within(&self.machine.layer()).handlers(&event.name) {
            handled.push(handler.invoke(event, &Entry::Delivered).await.expect("it is written down"));
        }
        handled
    }

    /// Tries what is parked until the witness has taken something.
    async fn retry<E: DomainEvent + Clone>(&self, witness: &Arc<Witness<E>>) {
        self.clock.advance(SignedDuration::from_secs(2));
        let retrier = Retrier::new(self.machine.clone(), self.witnessed(witness), RetrierOptions::default());
        let stop = CancellationToken::new();
        let taken = async {
            let called = tokio::time::timeout(Duration::from_secs(60), witness.called.notified()).await;
            stop.cancel();
            called.expect("the parked event is taken");
        };
        tokio::join!(retrier.run(&stop, &self.stop), taken);
    }

    async fn dead(&self) -> Vec<DeadLetter> {
        DeadLetters::list(&self.failures, &DeadLetterFilter::default(), None, 100).await.expect("dead letters").items
    }
}

/// What a handler has to see of version 1.
fn assert_newest(witness: &Witness<ActivityCreated>) {
    let seen = witness.seen.lock().expect("not poisoned");
    assert_eq!(seen.len(), 1, "{seen:?}");
    let event = &seen[0];
    assert_eq!((event.activity.title.as_str(), event.tags.len()), ("Morning run", 0));
    let envelopes = witness.envelopes.lock().expect("not poisoned");
    assert_eq!(envelopes.as_slice(), [(*version_1()).clone()], "the envelope is as it was published");
}

#[tokio::test]
async fn version_1_in_flight_is_seen_as_the_newest() {
    let (setting, witness) = (Setting::new(), Witness::new([]));
    let routes = setting.witnessed(&witness);
    assert_eq!(setting.deliver(&routes, &version_1()).await, [Handled::Committed]);
    assert_eq!(setting.deliver(&routes, &version_1()).await, [Handled::AlreadyTaken]);
    assert_newest(&witness);
}

#[tokio::test(start_paused = true)]
async fn version_1_is_parked_as_it_is_and_seen_as_the_newest() {
    let (setting, witness) = (Setting::new(), Witness::new([HandlerError::retry("not yet")]));
    assert_eq!(setting.deliver(&setting.witnessed(&witness), &version_1()).await, [Handled::Parked]);
    let parked = ParkingStore::list(&setting.failures, &ParkedFilter::default(), None, 10).await.expect("parked");
    assert_eq!(parked.items.iter().map(|parked| &parked.addressed.event).collect::<Vec<_>>(), [&version_1()]);
    setting.retry(&witness).await;
    assert_newest(&witness);
}

#[tokio::test(start_paused = true)]
async fn version_1_is_a_dead_letter_as_it_is_and_replayed_as_the_newest() {
    let (setting, witness) = (Setting::new(), Witness::new([HandlerError::permanent("never")]));
    assert_eq!(setting.deliver(&setting.witnessed(&witness), &version_1()).await, [Handled::DeadLetter]);
    let dead = setting.dead().await;
    assert_eq!(dead.iter().map(|letter| &letter.addressed.event).collect::<Vec<_>>(), [&version_1()]);
    assert!(setting.failures.replay(dead[0].id).await.expect("an answer"));
    setting.retry(&witness).await;
    assert_newest(&witness);
    assert_eq!(setting.dead().await[0].state, DeadLetterState::Replayed);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_dead_letter_at_once_and_stops_nothing() {
    for (event, reason) in [
        (changed(3, r#"{"activity":{},"mood":"good"}"#), "has version 3; this program knows up to 2: upgrade it"),
        (changed(0, "{}"), "has version 0, but versions count from 1"),
        (changed(1, "{}"), "(activity.created, version 1) has data that does not parse: missing field `activity`"),
        (changed(2, "{broken"), "(activity.created, version 2) has data that does not parse"),
    ] {
        let setting = Setting::new();
        let routes = handlers::register(setting.router()).build().expect("routes that fit together");
        let handled = setting.deliver(&routes, &event).await;
        assert_eq!(handled, [Handled::DeadLetter; 3], "{reason}");
        for letter in setting.dead().await {
            assert_eq!((letter.death.reason, letter.death.failures.attempts), (DeathReason::Undecodable, 1));
            assert!(letter.death.failures.error.contains(reason), "{}", letter.death.failures.error);
            assert_eq!(letter.addressed.event, event, "kept as it came");
        }
        let key = "activity-of-another";
        let other = EventEnvelope { id: Uuid::from_u128(77), partition_key: key.into(), ..(*version_1()).clone() };
        assert_eq!(setting.deliver(&routes, &Arc::new(other)).await, [Handled::Committed; 3], "{reason}");
    }
}

/// The event as a later release might have it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Upgraded {
    activity: EventData,
    tags: Vec<String>,
    mood: String,
}

impl DomainEvent for Upgraded {
    const NAME: &'static str = ActivityCreated::NAME;
    const VERSION: u32 = 3;
    const UPCASTERS: &'static [Upcaster] = &[ActivityCreated::UPCASTERS[0], Upcaster::new(2, add_mood)];

    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: "activity".into(), sequence: 1 }
    }
}

fn add_mood(mut data: EventData) -> Result<EventData, UpcastError> {
    data.insert("mood".into(), "unknown".into());
    Ok(data)
}

#[tokio::test(start_paused = true)]
async fn an_unknown_version_is_replayed_by_a_worker_that_knows_it() {
    let (setting, old) = (Setting::new(), Witness::<ActivityCreated>::new([]));
    let newer = changed(3, r#"{"activity":{},"tags":["race"],"mood":"good"}"#);
    assert_eq!(setting.deliver(&setting.witnessed(&old), &newer).await, [Handled::DeadLetter]);
    assert!(old.seen.lock().expect("not poisoned").is_empty());

    let upgraded = Witness::<Upgraded>::new([]);
    assert!(setting.failures.replay(setting.dead().await[0].id).await.expect("an answer"));
    setting.retry(&upgraded).await;
    let first = EventEnvelope { id: Uuid::from_u128(78), ..(*version_1()).clone() };
    assert_eq!(setting.deliver(&setting.witnessed(&upgraded), &Arc::new(first)).await, [Handled::Committed]);
    let seen = upgraded.seen.lock().expect("not poisoned");
    let moods: Vec<(&str, usize)> = seen.iter().map(|event| (event.mood.as_str(), event.tags.len())).collect();
    assert_eq!(moods, [("good", 1), ("unknown", 0)]);
}
