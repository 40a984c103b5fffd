//! The application as `serve` puts it together, with the broker in memory in place of the configured one.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::{ActivityLog, handlers, ports::Repositories},
    backpressure::PressureGauge,
    delivery::{
        Consumer, ConsumerOptions, CrashGuard, FailureMachine, FailurePolicy, Policies, Retrier, RetrierOptions,
        Router, SpanLayer,
    },
    failures::FailedEvents,
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{AfterDeadLetter, Clock, EventPublisher, IdGenerator, OutboxStore, ParkingStore, Subscription},
    relay::{Relay, RelayOptions, RelayTarget},
    webhook::{WebhookOptions, Webhooks},
};
use activelog_infrastructure::{
    broker::memory::MemoryBroker,
    clock::SystemClock,
    id_generator::UuidV7Generator,
    persistence::sqlite::{SqliteDatabase, SqliteOptions},
    webhook::SystemSecretSource,
};
use activelog_interfaces::{
    http::{self, ComponentHealth, HealthSource, HttpOptions, HttpState},
    worker::Worker,
};
use async_trait::async_trait;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::eventually;

/// How long anything may take that should take a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ANNA: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_000a);
pub(crate) const BERT: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_000b);

/// Failures are tried again soon, so that what is healed goes on soon.
const POLICY: FailurePolicy = FailurePolicy {
    quick_attempts: 2,
    quick_pause: Duration::from_millis(1),
    attempts: 1_000_000,
    first_backoff: Duration::from_millis(5),
    longest_backoff: Duration::from_millis(20),
    crashes: 3,
    after_dead_letter: AfterDeadLetter::Hold,
    time_limit: Duration::from_secs(60),
};

type Handlers = Router<dyn Repositories>;
type Publisher = Arc<dyn EventPublisher>;

/// What a test changes.
#[derive(Default)]
pub(crate) struct Changes {
    /// Registers more handlers.
    pub(crate) handlers: Option<Box<dyn FnOnce(Handlers) -> Handlers>>,
    /// Stands between the relay and the broker.
    pub(crate) publisher: Option<Box<dyn FnOnce(Publisher) -> Publisher>>,
}

/// A running application. It stops when this is dropped.
pub(crate) struct Application {
    pub(crate) memory: MemoryBroker,
    database: SqliteDatabase,
    client: reqwest::Client,
    base: String,
    stop: CancellationToken,
    _parts: JoinSet<()>,
    _folder: TempDir,
}

impl Drop for Application {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Application {
    pub(crate) async fn start() -> Self {
        Self::start_with(Changes::default()).await
    }

    pub(crate) async fn start_with(changes: Changes) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (clock, ids): (Arc<dyn Clock>, Arc<dyn IdGenerator>) = (Arc::new(SystemClock), Arc::new(UuidV7Generator));
        let options = SqliteOptions::new(folder.path().join("activelog.db"));
        let database = SqliteDatabase::open(options, clock.clone()).await.expect("a database");
        database.migrate().await.expect("migrations run");
        let shared = Arc::new(database.clone());
        let orchestrator =
            Orchestrator::new(shared.clone(), clock.clone(), ids.clone(), OrchestratorOptions::default());
        let (stop, memory, mut parts) = (CancellationToken::new(), MemoryBroker::default(), JoinSet::new());
        let broker = memory.broker();

        let publisher =
            changes.publisher.map_or_else(|| broker.publisher.clone(), |wrap| wrap(broker.publisher.clone()));
        let relay = Relay::new(
            shared.clone(),
            shared.clone(),
            RelayTarget::Broker(publisher),
            database.outbox_signal(),
            ids.next_id(),
            RelayOptions::default(),
        );
        let stopped = stop.clone();
        parts.spawn(async move { relay.run(&stopped).await });

        let guard = CrashGuard::begin(shared.clone(), "activelog", ids.next_id(), 64).await.expect("it begins");
        let machine = FailureMachine::new(shared.clone(), clock.clone(), "activelog", stop.clone());
        let router = Router::new(orchestrator.clone()).policies(Policies::new(POLICY)).layer(SpanLayer);
        let mut router = handlers::register(router.layer(guard.layer()));
        if let Some(more) = changes.handlers {
            router = more(router);
        }
        let routes = router.build().expect("routes that fit together");
        let subscription = Subscription::new("activelog".to_owned(), routes.patterns());
        let retrier = Retrier::new(machine.clone(), routes.clone(), RetrierOptions::default());
        let consumer = Consumer::new(routes.within(&machine.layer()), ConsumerOptions::default());
        let worker = Worker::new(broker.subscriber, subscription, consumer, vec![retrier], guard);
        let stopped = stop.clone();
        parts.spawn(async move { worker.run(&stopped, &stopped).await.expect("a subscription") });

        let state = HttpState {
            log: ActivityLog::new(orchestrator.clone()).expect("chains that fit together"),
            webhooks: Webhooks::new(orchestrator, Arc::new(SystemSecretSource), WebhookOptions::default())
                .expect("chains that fit together"),
            webhook_store: shared.clone(),
            queries: shared.clone(),
            journal: shared.clone(),
            outbox: shared.clone(),
            failures: FailedEvents::new(shared.clone(), shared),
            clock,
            ids,
            health: Arc::new(NoComponents),
            pressure: PressureGauge::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback is there");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (router, stopped) = (http::router(state, HttpOptions::default()), stop.clone());
        parts.spawn(async move { http::serve(listener, router, stopped).await.expect("it serves") });
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client");
        Self { memory, database, client, base, stop, _parts: parts, _folder: folder }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "GET {path}");
        answer.json().await.expect("JSON")
    }

    /// Creates an activity; answers its id.
    pub(crate) async fn create(&self, activity: &Value) -> String {
        let answer = self.request(Method::POST, "/activities").json(activity).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::CREATED);
        let stored: Value = answer.json().await.expect("JSON");
        stored["id"].as_str().expect("an id").to_owned()
    }

    /// Changes an activity of this version.
    pub(crate) async fn update(&self, id: &str, version: u64, changes: &Value) {
        let request =
            self.request(Method::PATCH, &format!("/activities/{id}")).header("if-match", format!("\"{version}\""));
        let answer = request.json(changes).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap_or_default());
    }

    /// Deletes an activity of this version.
    pub(crate) async fn delete(&self, id: &str, version: u64) {
        let request = self.request(Method::DELETE, &format!("/activities/{id}"));
        let answer = request.header("if-match", format!("\"{version}\"")).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }

    /// Waits until an answer is as it should be.
    pub(crate) async fn until(&self, what: &str, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        eventually(what, PATIENCE, async || Some(self.get(path).await).filter(&holds)).await
    }

    /// Waits until this many events wait in the outbox.
    pub(crate) async fn outbox_holds(&self, events: u64) {
        eventually("the outbox holds what it should", PATIENCE, async || {
            (OutboxStore::depth(&self.database).await.expect("it can be read").events == events).then_some(())
        })
        .await;
    }

    /// How many events are parked.
    pub(crate) async fn parked(&self) -> u64 {
        ParkingStore::depth(&self.database).await.expect("it can be read").events
    }

    /// What the broker has been given for an activity, as sequence and name.
    pub(crate) fn published_of(&self, id: &str) -> Vec<(u64, String)> {
        let subject = format!("activity-{id}");
        let events = self.memory.published().into_iter();
        events.filter(|event| event.subject == subject).map(|event| (event.sequence, event.name)).collect()
    }
}

/// Nothing is asked of the health of parts here.
struct NoComponents;

#[async_trait]
impl HealthSource for NoComponents {
    async fn components(&self) -> Vec<ComponentHealth> {
        Vec::new()
    }
}

/// A run of a user's.
pub(crate) fn run(user: Uuid, title: &str) -> Value {
    json!({
        "user_id": user, "type": "run", "title": title, "duration_minutes": 30, "distance_km": 5,
        "activity_date": "2026-03-12T06:00:00Z",
    })
}
