//! A worker, and its sudden end.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    delivery::{
        Consumer, ConsumerOptions, CrashGuard, FailureMachine, FailurePolicy, Policies, Retrier, RetrierOptions, Router,
    },
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{AfterDeadLetter, Clock, IdGenerator, UnitOfWork},
    testing::FakeStorage,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::Broker,
    chance::Chance,
    handler::{Happened, NAMES, Planned, Plans},
    storage::Shaky,
};

/// What the workers of a run share.
pub(crate) struct World {
    pub(crate) storage: Shaky<Arc<FakeStorage>>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) plans: Arc<Mutex<Plans>>,
    pub(crate) chance: Arc<Chance>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGenerator>,
    pub(crate) policy: FailurePolicy,
}

/// Short times, so that a run is short. More crashes than a run has do not come of themselves.
pub(crate) fn policy(after_dead_letter: AfterDeadLetter) -> FailurePolicy {
    FailurePolicy {
        quick_attempts: 2,
        quick_pause: Duration::from_millis(10),
        attempts: 6,
        first_backoff: Duration::from_millis(50),
        longest_backoff: Duration::from_millis(400),
        crashes: 8,
        after_dead_letter,
        time_limit: Duration::from_secs(1),
    }
}

pub(crate) struct Worker {
    stop: CancellationToken,
    hard_stop: CancellationToken,
    orchestrator: Orchestrator<dyn UnitOfWork>,
    consumer: JoinHandle<()>,
    retrier: JoinHandle<()>,
    guard: CrashGuard,
}

impl Worker {
    pub(crate) async fn start(world: &World) -> Self {
        let (stop, hard_stop) = (CancellationToken::new(), CancellationToken::new());
        let options = OrchestratorOptions::default();
        let factory = Arc::new(world.storage.clone());
        let orchestrator = Orchestrator::new(factory, world.clock.clone(), world.ids.clone(), options);
        let failures = Arc::new(world.storage.failures());
        let guard = CrashGuard::begin(failures.clone(), "group", world.ids.next_id(), 2).await.expect("it begins");
        let mut router = Router::new(orchestrator.clone()).policies(Policies::new(world.policy)).layer(guard.layer());
        for name in NAMES {
            let handler = Planned { name, plans: world.plans.clone(), chance: world.chance.clone() };
            router = router.on::<Happened>(Arc::new(handler));
        }
        let routes = router.build().expect("routes that work");
        let machine = FailureMachine::new(failures, world.clock.clone(), "group", stop.clone());
        let options = RetrierOptions { lease: Duration::from_secs(2), ..RetrierOptions::default() };
        let retrier = Retrier::new(machine.clone(), routes.clone(), options);
        let consumer = Consumer::new(routes.within(&machine.layer()), ConsumerOptions::default());
        let stream = world.broker.stream();
        let tokens = (stop.clone(), hard_stop.clone());
        let consumer = tokio::spawn(async move { consumer.run(stream, &tokens.0, &tokens.1).await });
        let tokens = (stop.clone(), hard_stop.clone());
        let retrier = tokio::spawn(async move { retrier.run(&tokens.0, &tokens.1).await });
        Self { stop, hard_stop, orchestrator, consumer, retrier, guard }
    }

    /// Ends it at once, in the middle of whatever it does.
    pub(crate) async fn kill(self) {
        // Lanes first: they must not see what becomes of their transactions.
        self.hard_stop.cancel();
        self.orchestrator.abort();
        self.consumer.abort();
        self.retrier.abort();
        let _cancelled = (self.consumer.await, self.retrier.await);
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        let _ended = (self.consumer.await, self.retrier.await);
        self.orchestrator.close().await;
        self.guard.end().await.expect("it is noted");
    }
}
