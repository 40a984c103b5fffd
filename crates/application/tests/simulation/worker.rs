//! A worker, and its sudden end.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    delivery::{
        Consumer, ConsumerOptions, CrashGuard, FailureMachine, Policies, Retrier, RetrierOptions, Router, Routes,
    },
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{StorageError, UnitOfWork},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    failures::ProcessFailures,
    handler::{ECHO, Effect, Happened, NAMES, Planned},
    process::Process,
    units::ProcessUnits,
};

const GROUP: &str = "group";

pub(crate) struct Worker {
    stop: CancellationToken,
    hard_stop: CancellationToken,
    orchestrator: Orchestrator<dyn UnitOfWork>,
    tasks: Vec<JoinHandle<()>>,
    guard: CrashGuard,
    pub(crate) stream: u64,
}

impl Worker {
    pub(crate) async fn start(process: &Arc<Process>) -> Result<Self, StorageError> {
        let world = &process.world;
        let (stop, hard_stop) = (CancellationToken::new(), CancellationToken::new());
        let failures = Arc::new(ProcessFailures::new(process));
        let guard = CrashGuard::begin(failures.clone(), GROUP, world.ids.next_id(), world.broker.prefetch()).await?;
        let (factory, options) = (Arc::new(ProcessUnits(process.clone())), OrchestratorOptions::default());
        let orchestrator = Orchestrator::new(factory, world.clock.clone(), world.ids.clone(), options);
        let routes = routes(process, &orchestrator, &guard);
        let machine = FailureMachine::new(failures, world.clock.clone(), GROUP, stop.clone());
        let options = RetrierOptions { lease: Duration::from_secs(2), ..RetrierOptions::default() };
        let retrier = Retrier::new(machine.clone(), routes.clone(), options);
        let consumer = Consumer::new(routes.within(&machine.layer()), ConsumerOptions::default());
        let (source, stream) = world.broker.stream(process);
        let tokens = (stop.clone(), hard_stop.clone());
        let consumer = tokio::spawn(async move { consumer.run(source, &tokens.0, &tokens.1).await });
        let tokens = (stop.clone(), hard_stop.clone());
        let retrier = tokio::spawn(async move { retrier.run(&tokens.0, &tokens.1).await });
        let keeping = tokio::spawn(keep(guard.clone(), stop.clone()));
        Ok(Self { stop, hard_stop, orchestrator, tasks: vec![consumer, retrier, keeping], guard, stream })
    }

    /// Ends it at once, in the middle of whatever it does. Its process is dead: what of it is still to be dropped does nothing.
    pub(crate) async fn kill(self) {
        self.hard_stop.cancel();
        self.orchestrator.abort();
        self.tasks.iter().for_each(JoinHandle::abort);
        for task in self.tasks {
            let _cancelled = task.await;
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        while let Some(task) = self.tasks.last_mut() {
            let _ended = task.await;
            self.tasks.pop();
        }
        self.orchestrator.close().await;
        let _noted = self.guard.end().await;
    }
}

fn routes(process: &Arc<Process>, orchestrator: &Orchestrator<dyn UnitOfWork>, guard: &CrashGuard) -> Routes {
    let policies = Policies::new(process.world.policy);
    let planned = |name| Arc::new(Planned { name, process: process.clone() });
    let router = Router::new(orchestrator.clone()).policies(policies).layer(guard.layer());
    let router = NAMES.iter().fold(router, |router, name| router.on::<Happened>(planned(name)));
    router.on::<Effect>(planned(ECHO)).build().expect("routes that work")
}

/// Says now and then that the worker runs.
async fn keep(guard: CrashGuard, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(2))).await.is_some() {
        let _said = guard.keep().await;
    }
}
