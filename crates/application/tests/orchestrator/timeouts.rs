//! A timeout is kept at every stage, and what was reported as rolled back is never committed later.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    orchestrator::{OrchestratorError, OrchestratorOptions},
    ports::StorageErrorKind,
    testing::{Behaviour, FakeStorage, Gate, Point},
};
use tokio::time::Instant;

use crate::setting::{Deed, Order, assert_untouched, chain, chain_with, counting, orchestrator, orchestrator_with};

const LIMIT: Duration = Duration::from_secs(5);

/// Long enough for everything that is still on its way to happen.
const LATER: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn during_begin() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Begin, [Behaviour::Wait(gate.clone())]);
    let (orchestrator, started) = (orchestrator(&storage), Instant::now());
    let error = orchestrator.run(&chain(), Order(7)).timeout(LIMIT).await.err();
    assert!(matches!(error, Some(OrchestratorError::TimedOut { use_case: "begin", after: LIMIT })), "{error:?}");
    assert_eq!(started.elapsed(), LIMIT);
    gate.open();
    tokio::time::sleep(LATER).await;
    assert_untouched(&storage);
}

#[tokio::test(start_paused = true)]
async fn during_a_use_case() {
    let storage = FakeStorage::new();
    let (orchestrator, started) = (orchestrator(&storage), Instant::now());
    let error = orchestrator.run(&chain_with(Deed::Never), Order(7)).timeout(LIMIT).await.err();
    assert!(matches!(error, Some(OrchestratorError::TimedOut { use_case: "Saboteur", after: LIMIT })), "{error:?}");
    assert_eq!(started.elapsed(), LIMIT);
    assert_untouched(&storage);
    assert_eq!(storage.tally().rolled_back, 1);
}

#[tokio::test(start_paused = true)]
async fn while_recording_events() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Append, [Behaviour::Wait(gate.clone())]);
    let error = orchestrator(&storage).run(&chain(), Order(7)).timeout(LIMIT).await.err();
    assert!(matches!(error, Some(OrchestratorError::TimedOut { use_case: "outbox", .. })), "{error:?}");
    gate.open();
    tokio::time::sleep(LATER).await;
    assert_untouched(&storage);
}

#[tokio::test(start_paused = true)]
async fn the_default_is_sixty_seconds() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator_with(&storage, OrchestratorOptions::default());
    let started = Instant::now();
    let error = orchestrator.run(&chain_with(Deed::Never), Order(7)).await.err();
    assert!(matches!(error, Some(OrchestratorError::TimedOut { .. })), "{error:?}");
    assert_eq!(started.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_ends_within_the_grace_has_a_known_outcome() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Commit, [Behaviour::Wait(gate.clone())]);
    let run = tokio::spawn(orchestrator(&storage).run(&chain(), Order(7)).timeout(LIMIT).into_future());
    gate.arrived(1).await;
    tokio::time::sleep(LIMIT + Duration::from_secs(5)).await;
    gate.open();
    assert!(run.await.expect("no panic").is_ok(), "it was committed, so that is what is said");
    assert_eq!(storage.tally().committed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_never_answers_is_unknown_after_the_grace() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Commit, [Behaviour::Wait(gate.clone())]);
    let (orchestrator, started) = (orchestrator(&storage), Instant::now());
    let error = orchestrator.run(&chain(), Order(7)).timeout(LIMIT).await.err();
    assert!(matches!(error, Some(OrchestratorError::Unknown { .. })), "{error:?}");
    assert!(started.elapsed() <= LIMIT + Duration::from_secs(12), "{:?}", started.elapsed());
    gate.open();
    orchestrator.close().await;
    assert_eq!(storage.tally().committed, 1, "unknown may well mean committed");
}

#[tokio::test(start_paused = true)]
async fn a_commit_rolled_back_within_the_grace_is_a_known_failure_and_not_run_again() {
    let storage = FakeStorage::new();
    let seen = Arc::default();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Commit, [Behaviour::WaitAndFail(gate.clone(), StorageErrorKind::Contention)]);
    let chain = counting(Arc::clone(&seen));
    let run = tokio::spawn(orchestrator(&storage).run(&chain, Order(7)).timeout(LIMIT).into_future());
    gate.arrived(1).await;
    tokio::time::sleep(LIMIT + Duration::from_secs(2)).await;
    gate.open();
    let error = run.await.expect("no panic").err();
    assert!(matches!(error, Some(OrchestratorError::Storage { use_case: "commit", .. })), "{error:?}");
    assert_eq!(*seen.lock().expect("not poisoned"), 1);
    assert_untouched(&storage);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_hangs_does_not_hold_up_the_error_for_long() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Rollback, [Behaviour::Wait(gate)]);
    let (orchestrator, started) = (orchestrator(&storage), Instant::now());
    let error = orchestrator.run(&chain_with(Deed::Refuse), Order(7)).await.err();
    assert!(matches!(error, Some(OrchestratorError::Rejected { .. })), "{error:?}");
    assert!(started.elapsed() <= Duration::from_secs(1), "{:?}", started.elapsed());
    assert_untouched(&storage);
}

#[tokio::test(start_paused = true)]
async fn contention_is_tried_again_within_the_timeout_only() {
    let storage = FakeStorage::new();
    storage.script(Point::Commit, std::iter::repeat_n(Behaviour::Fail(StorageErrorKind::Contention), 10_000));
    let options = OrchestratorOptions { attempts: u32::MAX, timeout: LIMIT, ..Default::default() };
    let started = Instant::now();
    let error = orchestrator_with(&storage, options).run(&chain(), Order(7)).await.err();
    assert!(matches!(error, Some(OrchestratorError::Storage { use_case: "commit", .. })), "{error:?}");
    assert!(started.elapsed() <= LIMIT, "{:?}", started.elapsed());
    assert_untouched(&storage);
}

/// A use case that blocks its thread cannot be stopped, but what it does then is never committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_use_case_that_blocks_its_thread_is_not_committed_after_its_timeout_was_reported() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    let block = activelog_application::orchestrator::use_case_fn("Block", move |_, ()| {
        let blocked = blocked.clone();
        Box::pin(async move {
            let released = blocked.lock().expect("not poisoned").recv();
            assert!(released.is_ok());
            Ok(())
        })
    });
    let chain = activelog_application::orchestrator::Chain::<crate::setting::Tx, Order>::new()
        .then(crate::setting::WriteInvoice)
        .then(block)
        .build()
        .expect("a chain that can run");
    let error = orchestrator.run(&chain, Order(7)).timeout(Duration::from_millis(20)).await.err();
    assert!(matches!(error, Some(OrchestratorError::TimedOut { use_case: "Block", .. })), "{error:?}");
    release.send(()).expect("somebody waits");
    orchestrator.close().await;
    assert_untouched(&storage);
}
