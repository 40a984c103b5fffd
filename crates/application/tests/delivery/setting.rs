//! The events and handlers that the tests work with, and a running consumer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    delivery::{
        ConcurrencyLayer, Consumer, ConsumerOptions, ConsumerStatus, CrashGuard, EventHandler, FailureMachine,
        FailurePolicy, HandlerError, Policies, Received, Retrier, RetrierOptions, Router, Routes,
    },
    orchestrator::{Orchestrator, OrchestratorOptions, Step},
    ports::{AfterDeadLetter, Clock, CrashMarks, IdGenerator, ParkingStore, UnitOfWork},
    testing::{FakeClock, FakeStorage, MemoryFailures, SequentialIds, TokioClock},
};
use activelog_domain::event::{AggregateRef, DomainEvent, EventEnvelope, EventMetadata};
use async_trait::async_trait;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::stream::{Feed, stream};

pub(crate) type Tx = dyn UnitOfWork;

/// The event that handlers take.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Happened {
    pub(crate) key: String,
    pub(crate) sequence: u64,
}

impl DomainEvent for Happened {
    const NAME: &'static str = "thing.happened";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: self.key.clone(), sequence: self.sequence }
    }
}

/// What a handler records: its effect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) what: String,
}

impl DomainEvent for Effect {
    const NAME: &'static str = "effect";
    const VERSION: u32 = 1;
    fn aggregate(&self) -> AggregateRef {
        AggregateRef { subject: self.what.clone(), sequence: 1 }
    }
}

pub(crate) fn happened(key: &str, sequence: u64) -> EventEnvelope {
    static IDS: std::sync::LazyLock<SequentialIds> = std::sync::LazyLock::new(SequentialIds::default);
    let event = Happened { key: key.to_owned(), sequence };
    let metadata = EventMetadata {
        id: IDS.next_id(),
        time: FakeClock::default().now(),
        correlation_id: IDS.next_id(),
        causation_id: None,
        trace: None,
    };
    EventEnvelope::seal(&event, metadata).expect("it encodes")
}

/// What a handler does with an event, on which attempt (from 1).
pub(crate) type Deed = Arc<dyn Fn(Happened, u32) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync>;

/// A handler that keeps its calls and records an effect for each event before it does its deed.
pub(crate) struct Doer {
    name: &'static str,
    deed: Deed,
    calls: Mutex<Vec<(String, Instant)>>,
}

impl Doer {
    /// A handler that succeeds.
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        Self::doing(name, |_, _| Box::pin(async { Ok(()) }))
    }

    pub(crate) fn doing(
        name: &'static str,
        deed: impl Fn(Happened, u32) -> BoxFuture<'static, Result<(), HandlerError>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { name, deed: Arc::new(deed), calls: Mutex::default() })
    }

    /// The events it was called with, as `key/sequence`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("not poisoned").iter().map(|(label, _)| label.clone()).collect()
    }

    /// When it was called.
    pub(crate) fn instants(&self) -> Vec<Instant> {
        self.calls.lock().expect("not poisoned").iter().map(|(_, at)| *at).collect()
    }
}

#[async_trait]
impl EventHandler<Happened, Tx> for Doer {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn handle(&self, received: &Received<'_, Happened>, step: &mut Step<'_, Tx>) -> Result<(), HandlerError> {
        let event = &received.event;
        let label = format!("{}/{}", event.key, event.sequence);
        let attempt = {
            let mut calls = self.calls.lock().expect("not poisoned");
            calls.push((label.clone(), Instant::now()));
            calls.iter().filter(|(known, _)| *known == label).count()
        };
        step.record(&Effect { what: format!("{}:{label}", self.name) })?;
        (self.deed)(event.clone(), u32::try_from(attempt).expect("few attempts")).await
    }
}

/// The effects that were committed, in order.
pub(crate) fn effects(storage: &FakeStorage) -> Vec<String> {
    storage.committed().events.iter().map(|e| e.open::<Effect>().expect("an effect").what).collect()
}

pub(crate) const POLICY: FailurePolicy = FailurePolicy {
    quick_attempts: 3,
    quick_pause: Duration::from_millis(20),
    attempts: 6,
    first_backoff: Duration::from_secs(1),
    longest_backoff: Duration::from_secs(30),
    crashes: 3,
    after_dead_letter: AfterDeadLetter::Hold,
    time_limit: Duration::from_secs(5),
};

pub(crate) fn orchestrator(storage: &Arc<FakeStorage>) -> Orchestrator<Tx> {
    let ids = Arc::new(SequentialIds::default());
    let options = OrchestratorOptions { timeout: Duration::from_secs(5), ..Default::default() };
    Orchestrator::new(Arc::new(storage.clone()), Arc::new(FakeClock::default()), ids, options)
}

/// What the worker of a test differs in from others.
#[derive(Clone, Copy)]
pub(crate) struct Differences {
    pub(crate) policy: FailurePolicy,
    pub(crate) options: ConsumerOptions,
    pub(crate) concurrency: usize,
}

impl Default for Differences {
    fn default() -> Self {
        Self { policy: POLICY, options: ConsumerOptions::default(), concurrency: 64 }
    }
}

/// A worker: a consumer on a stream that the test feeds, and a retrier.
pub(crate) struct Running {
    pub(crate) feed: Feed,
    pub(crate) stop: CancellationToken,
    pub(crate) hard_stop: CancellationToken,
    pub(crate) failures: MemoryFailures,
    pub(crate) status: tokio::sync::watch::Receiver<ConsumerStatus>,
    pub(crate) orchestrator: Orchestrator<Tx>,
    pub(crate) task: JoinHandle<()>,
    pub(crate) retrier: Option<JoinHandle<()>>,
}

impl Running {
    /// How many events are parked.
    pub(crate) async fn parked(&self) -> u64 {
        self.failures.depth().await.expect("it can be read").events
    }

    /// Ends it at once, in the middle of whatever it does, as `kill -9` would.
    pub(crate) async fn kill(self) {
        // Lanes first: they must not see what becomes of their transactions.
        self.hard_stop.cancel();
        self.orchestrator.abort();
        self.task.abort();
        let _cancelled = self.task.await;
        if let Some(retrier) = self.retrier {
            retrier.abort();
            let _cancelled = retrier.await;
        }
    }
}

/// Runs these handlers.
pub(crate) fn run(storage: &Arc<FakeStorage>, handlers: &[&Arc<Doer>]) -> Running {
    run_with(storage, handlers, Differences::default())
}

pub(crate) fn run_with(storage: &Arc<FakeStorage>, handlers: &[&Arc<Doer>], differences: Differences) -> Running {
    run_guarded(storage, handlers, differences, None)
}

/// Runs these handlers, with a guard against crashes around them.
pub(crate) fn run_guarded(
    storage: &Arc<FakeStorage>,
    handlers: &[&Arc<Doer>],
    differences: Differences,
    guard: Option<&CrashGuard>,
) -> Running {
    let orchestrator = orchestrator(storage);
    let stop = CancellationToken::new();
    let mut router = Router::new(orchestrator.clone())
        .policies(Policies::new(differences.policy))
        .layer(ConcurrencyLayer::new(differences.concurrency, stop.clone()));
    if let Some(guard) = guard {
        router = router.layer(guard.layer());
    }
    for handler in handlers {
        router = router.on::<Happened>(Arc::clone(handler));
    }
    run_routes(storage, &router.build().expect("routes that work"), differences, orchestrator, stop)
}

/// Runs these routes with everything that deals with failures.
pub(crate) fn run_routes(
    storage: &Arc<FakeStorage>,
    routes: &Routes,
    differences: Differences,
    orchestrator: Orchestrator<Tx>,
    stop: CancellationToken,
) -> Running {
    let (failures, clock) = (storage.failures(), Arc::new(TokioClock::default()));
    let machine = FailureMachine::new(Arc::new(failures), clock, "group", stop.clone());
    let retrier = Retrier::new(machine.clone(), routes.clone(), RetrierOptions::default());
    let mut running = start(storage, routes.within(&machine.layer()), differences.options, stop, orchestrator);
    let tokens = (running.stop.clone(), running.hard_stop.clone());
    running.retrier = Some(tokio::spawn(async move { retrier.run(&tokens.0, &tokens.1).await }));
    running
}

/// Runs these routes as they are.
pub(crate) fn start(
    storage: &Arc<FakeStorage>,
    routes: Routes,
    options: ConsumerOptions,
    stop: CancellationToken,
    orchestrator: Orchestrator<Tx>,
) -> Running {
    let (feed, stream) = stream();
    let consumer = Consumer::new(routes, options);
    let status = consumer.status();
    let hard_stop = CancellationToken::new();
    let tokens = (stop.clone(), hard_stop.clone());
    let task = tokio::spawn(async move { consumer.run(stream, &tokens.0, &tokens.1).await });
    let failures = storage.failures();
    Running { feed, stop, hard_stop, failures, status, orchestrator, task, retrier: None }
}

/// A guard of a new run; its window is one event.
pub(crate) async fn guard(storage: &Arc<FakeStorage>, run: u128) -> CrashGuard {
    let marks: Arc<dyn CrashMarks> = Arc::new(storage.failures());
    CrashGuard::begin(marks, "group", uuid::Uuid::from_u128(run), 1).await.expect("it begins")
}

/// Waits until something holds, as time passes by itself.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..100_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// Lets everything happen that can happen without time passing. Time is paused: this returns when nothing else can run.
pub(crate) async fn idle() {
    tokio::time::sleep(Duration::from_micros(1)).await;
}
