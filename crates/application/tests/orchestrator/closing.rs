//! Closing takes no new work and loses none that has begun.

use std::sync::Arc;

use activelog_application::{
    orchestrator::OrchestratorError,
    testing::{FakeStorage, Gate},
};
use futures::FutureExt;

use crate::setting::{Deed, Order, chain, chain_with, orchestrator};

#[tokio::test]
async fn it_waits_for_running_work_and_refuses_new_work_at_once() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    let gate = Arc::new(Gate::new());
    let run = tokio::spawn(orchestrator.run(&chain_with(Deed::Wait(gate.clone())), Order(7)).into_future());
    gate.arrived(1).await;
    let mut closing = Box::pin(orchestrator.close());
    assert!(closing.as_mut().now_or_never().is_none(), "work is still running");
    let refused = orchestrator.run(&chain(), Order(8)).await.err();
    assert!(matches!(refused, Some(OrchestratorError::Closed)), "{refused:?}");
    gate.open();
    closing.await;
    assert!(run.await.expect("no panic").is_ok());
    assert_eq!(storage.tally().committed, 1);
    orchestrator.close().await;
    let refused = orchestrator.run(&chain(), Order(8)).await.err();
    assert!(matches!(refused, Some(OrchestratorError::Closed)), "{refused:?}");
    assert_eq!(storage.tally().begun, 1);
}

/// Runs that begin while it closes are either refused or waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_runs_once_it_has_closed() {
    for _ in 0..200 {
        let storage = FakeStorage::new();
        let orchestrator = orchestrator(&storage);
        let runs: Vec<_> = (0..4).map(|n| tokio::spawn(orchestrator.run(&chain(), Order(n)).into_future())).collect();
        orchestrator.close().await;
        let closed = storage.tally();
        assert_eq!(closed.begun, closed.committed, "{closed:?}");
        let mut done = 0;
        for run in runs {
            match run.await.expect("no panic") {
                Ok(_) => done += 1,
                Err(OrchestratorError::Closed) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!((storage.tally(), done), (closed, closed.committed), "nothing began after close had returned");
    }
}
