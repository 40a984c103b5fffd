//! The events and handlers that the tests work with, and a running consumer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    delivery::{
        Consumer, ConsumerOptions, ConsumerStatus, EventHandler, FailurePolicy, HandlerError, Received, RetryLayer,
        Router, Routes,
    },
    orchestrator::{Orchestrator, OrchestratorOptions, Step},
    ports::{Clock, IdGenerator, UnitOfWork},
    testing::{FakeClock, FakeStorage, SequentialIds},
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

pub(crate) const POLICY: FailurePolicy =
    FailurePolicy { quick_attempts: 4, first_pause: Duration::from_millis(20), longest_pause: Duration::from_secs(30) };

pub(crate) fn orchestrator(storage: &Arc<FakeStorage>) -> Orchestrator<Tx> {
    let ids = Arc::new(SequentialIds::default());
    let options = OrchestratorOptions { timeout: Duration::from_secs(5), ..Default::default() };
    Orchestrator::new(Arc::new(storage.clone()), Arc::new(FakeClock::default()), ids, options)
}

/// A consumer at work on a stream that the test feeds.
pub(crate) struct Running {
    pub(crate) feed: Feed,
    pub(crate) stop: CancellationToken,
    pub(crate) hard_stop: CancellationToken,
    pub(crate) retry: RetryLayer,
    pub(crate) status: tokio::sync::watch::Receiver<ConsumerStatus>,
    pub(crate) orchestrator: Orchestrator<Tx>,
    pub(crate) task: JoinHandle<()>,
}

/// Runs these handlers with retries.
pub(crate) fn run(storage: &Arc<FakeStorage>, handlers: &[&Arc<Doer>]) -> Running {
    run_with(storage, handlers, ConsumerOptions::default(), 64)
}

pub(crate) fn run_with(
    storage: &Arc<FakeStorage>,
    handlers: &[&Arc<Doer>],
    options: ConsumerOptions,
    concurrency: usize,
) -> Running {
    let stop = CancellationToken::new();
    let retry = RetryLayer::new(POLICY, concurrency, stop.clone());
    let orchestrator = orchestrator(storage);
    let mut router = Router::new(orchestrator.clone()).layer(retry.clone());
    for handler in handlers {
        router = router.on::<Happened>(Arc::clone(handler));
    }
    start(router.build().expect("routes that work"), options, stop, retry, orchestrator)
}

pub(crate) fn start(
    routes: Routes,
    options: ConsumerOptions,
    stop: CancellationToken,
    retry: RetryLayer,
    orchestrator: Orchestrator<Tx>,
) -> Running {
    let (feed, stream) = stream();
    let consumer = Consumer::new(routes, options);
    let status = consumer.status();
    let hard_stop = CancellationToken::new();
    let tokens = (stop.clone(), hard_stop.clone());
    let task = tokio::spawn(async move { consumer.run(stream, &tokens.0, &tokens.1).await });
    Running { feed, stop, hard_stop, retry, status, orchestrator, task }
}

/// Lets everything happen that can happen without time passing. Time is paused: this returns when nothing else can run.
pub(crate) async fn idle() {
    tokio::time::sleep(Duration::from_micros(1)).await;
}
