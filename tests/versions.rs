//! What an older release left in a database, wherever it waits there, is taken by this one as the newest version: on both databases.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog::{
    bootstrap::{SchemaPolicy, Storage},
    config::{DatabaseUrl, StorageConfig},
};
use activelog_application::{
    activity::ports::Repositories,
    delivery::{
        Consumer, ConsumerOptions, CrashGuard, EventHandler, FailureMachine, HandlerError, Received, Retrier,
        RetrierOptions, Router,
    },
    orchestrator::{Orchestrator, OrchestratorOptions, Step},
    ports::{
        Addressed, AfterDeadLetter, Clock, DeadLetterFilter, DeathReason, EventSubscriber, Failures, IdGenerator,
        Isolation, JournalCursor, Subscription, TransactionOptions,
    },
    relay::{Relay, RelayOptions, RelayTarget},
};
use activelog_domain::{activity::ActivityCreated, event::EventEnvelope};
use activelog_infrastructure::{
    broker::database::{DatabaseBroker, DatabaseOptions},
    clock::SystemClock,
    id_generator::UuidV7Generator,
};
use activelog_interfaces::worker::Worker;
use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::eventually;

const PATIENCE: Duration = Duration::from_secs(30);
const GROUP: &str = "activelog";

/// Keeps what it sees of creations: the subject and the tags.
#[derive(Default)]
struct Witness(Mutex<Vec<(String, Vec<String>)>>);

impl Witness {
    fn seen(&self) -> Vec<(String, Vec<String>)> {
        let mut seen = self.0.lock().unwrap().clone();
        seen.sort();
        seen
    }
}

#[async_trait]
impl EventHandler<ActivityCreated, dyn Repositories> for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }

    async fn handle(
        &self,
        received: &Received<'_, ActivityCreated>,
        _: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        let (subject, tags) = (received.envelope.subject.clone(), received.event.tags.clone());
        self.0.lock().unwrap().push((subject, tags));
        Ok(())
    }
}

/// A published event of this version and an aggregate of its own.
fn published(version: u32, subject: &str) -> EventEnvelope {
    let golden: EventEnvelope =
        serde_json::from_str(include_str!("../crates/domain/tests/golden/activity.created.v1.json")).unwrap();
    let id = UuidV7Generator.next_id();
    EventEnvelope { id, version, subject: subject.into(), partition_key: subject.into(), ..golden }
}

/// What an older release left behind: events in the outbox, in the journal, parked, and given up on.
async fn leave_behind(storage: &Storage) {
    let options = TransactionOptions::new(Isolation::ReadCommitted, PATIENCE);
    let mut unit = storage.units.begin(options).await.unwrap();
    // One of them from a release yet to come, which was tried and taken back.
    unit.outbox().append(&[published(1, "recorded"), published(3, "unknown")]).await.unwrap();
    unit.commit().await.unwrap();
    storage.journal.append(&[published(1, "journalled")]).await.unwrap();
    let now = SystemClock.now();
    let failures = Failures { attempts: 3, first_at: now, last_at: now, error: "it was away".into() };
    let addressed =
        |subject| Addressed { handler: "witness".into(), group: GROUP.into(), event: Arc::new(published(1, subject)) };
    assert!(storage.parking.park(&addressed("parked"), Some(&failures), now).await.unwrap());
    let (reason, after) = (DeathReason::Exhausted, AfterDeadLetter::Hold);
    assert!(storage.parking.bury(&addressed("dead"), reason, &failures, after).await.unwrap());
}

/// Starts a relay and a worker with this handler.
async fn start(storage: &Storage, witness: &Arc<Witness>, stop: &CancellationToken) -> JoinSet<()> {
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdGenerator>) = (Arc::new(SystemClock), Arc::new(UuidV7Generator));
    let mut parts = JoinSet::new();
    let (outbox, leases) = (storage.outbox.clone(), storage.leases.clone());
    let signal = storage.outbox_signal.clone();
    let relay = Relay::new(outbox, leases, RelayTarget::Journal, signal, ids.next_id(), RelayOptions::default());
    let stopped = stop.clone();
    parts.spawn(async move { relay.run(&stopped).await });

    let guard = CrashGuard::begin(storage.crash_marks.clone(), GROUP, ids.next_id(), 64).await.unwrap();
    let machine = FailureMachine::new(storage.parking.clone(), clock.clone(), GROUP, stop.clone());
    let orchestrator = Orchestrator::new(storage.units.clone(), clock, ids.clone(), OrchestratorOptions::default());
    let routes = Router::new(orchestrator).layer(guard.layer()).on::<ActivityCreated>(witness.clone()).build().unwrap();
    let retrier = Retrier::new(machine.clone(), routes.clone(), RetrierOptions::default());
    let subscription = Subscription::new(GROUP, routes.patterns());
    let consumer = Consumer::new(routes.within(&machine.layer()), ConsumerOptions::default());
    let worker = Worker::new(subscriber(storage, ids), subscription, consumer, vec![retrier], guard);
    let stopped = stop.clone();
    parts.spawn(async move { worker.run(&stopped, &CancellationToken::new()).await.unwrap() });
    parts
}

fn subscriber(storage: &Storage, ids: Arc<dyn IdGenerator>) -> Arc<dyn EventSubscriber> {
    let (journal, positions, leases) = (storage.journal.clone(), storage.positions.clone(), storage.leases.clone());
    let signal = storage.journal_signal.clone();
    DatabaseBroker::new(journal, positions, leases, signal, ids, DatabaseOptions::default()).broker().subscriber
}

async fn old_data_is_taken_as_the_newest_version(database_url: DatabaseUrl) {
    let config = StorageConfig {
        data_dir: "unused".into(),
        database_url,
        max_connections: 8,
        readers: 2,
        acquire_timeout: Duration::from_secs(3),
    };
    let storage = Storage::open(&config, Arc::new(SystemClock), SchemaPolicy::Migrate).await.unwrap();
    leave_behind(&storage).await;
    let (witness, stop) = (Arc::new(Witness::default()), CancellationToken::new());
    let mut parts = start(&storage, &witness, &stop).await;

    let of = |subjects: &[&str]| -> Vec<(String, Vec<String>)> {
        subjects.iter().map(|subject| ((*subject).to_owned(), Vec::new())).collect()
    };
    let waiting = of(&["journalled", "parked", "recorded"]);
    let taken = async || (witness.seen() == waiting).then_some(());
    eventually("what waited is taken", PATIENCE, taken).await;
    let undecodable = DeadLetterFilter { reason: Some(DeathReason::Undecodable), ..DeadLetterFilter::default() };
    let unknown = async || storage.dead_letters.list(&undecodable, None, 10).await.unwrap().items.pop();
    let unknown = eventually("the unknown version is a dead letter", PATIENCE, unknown).await;
    assert_eq!((unknown.addressed.event.subject.as_str(), unknown.addressed.event.version), ("unknown", 3));
    let error = unknown.death.failures.error;
    assert!(error.contains("has version 3; this program knows up to 2: upgrade it, then replay the event"), "{error}");

    let exhausted = DeadLetterFilter { reason: Some(DeathReason::Exhausted), ..DeadLetterFilter::default() };
    let dead = storage.dead_letters.list(&exhausted, None, 10).await.unwrap().items;
    assert!(storage.dead_letters.replay(dead[0].id).await.unwrap());
    let everything = of(&["dead", "journalled", "parked", "recorded"]);
    let taken = async || (witness.seen() == everything).then_some(());
    eventually("what was given up on is taken", PATIENCE, taken).await;

    // What was published stays as it was.
    let journal = storage.journal.read_all(&JournalCursor::default(), 10).await.unwrap();
    let mut kept: Vec<_> = journal.iter().map(|entry| (entry.event.subject.as_str(), entry.event.version)).collect();
    kept.sort_unstable();
    assert_eq!(kept, [("journalled", 1), ("recorded", 1), ("unknown", 3)]);
    assert!(journal.iter().all(|entry| entry.event.data == published(1, "any").data));
    stop.cancel();
    while let Some(ended) = parts.join_next().await {
        ended.expect("nothing has crashed");
    }
    storage.close().await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    old_data_is_taken_as_the_newest_version(DatabaseUrl::in_folder(folder.path())).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn on_postgres() {
    let Some(url) = support::fresh_database() else { return };
    let url = activelog::config::SecretUrl::new(url);
    old_data_is_taken_as_the_newest_version(DatabaseUrl::Postgres { url }).await;
}
