//! When other transactions are in the way, the whole chain runs again.

use std::sync::Arc;

use activelog_application::{
    orchestrator::{OrchestratorError, OrchestratorOptions},
    ports::StorageErrorKind,
    testing::{Behaviour, FakeStorage, Point},
};

use crate::setting::{Invoice, Order, assert_untouched, counting, orchestrator, orchestrator_with};

fn contention(times: usize) -> impl Iterator<Item = Behaviour> {
    std::iter::repeat_n(Behaviour::Fail(StorageErrorKind::Contention), times)
}

#[tokio::test(start_paused = true)]
async fn the_whole_chain_runs_again_with_fresh_outputs_and_events() {
    for point in [Point::Begin, Point::Append, Point::Commit] {
        let storage = FakeStorage::new();
        let seen = Arc::default();
        storage.script(point, contention(3));
        let outputs = orchestrator(&storage).run(&counting(Arc::clone(&seen)), Order(7)).await.expect("it goes well");
        let runs = if point == Point::Begin { 1 } else { 4 };
        assert_eq!(*seen.lock().expect("not poisoned"), runs, "{point:?}");
        assert_eq!(outputs.get::<Invoice>().as_deref(), Some(&Invoice(700 + runs)), "{point:?}");
        assert_eq!(storage.committed().events.len(), 1, "{point:?}: events of attempts that failed are gone");
        assert_eq!(storage.tally().committed, 1, "{point:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded() {
    let storage = FakeStorage::new();
    let seen = Arc::default();
    storage.script(Point::Commit, contention(100));
    let options = OrchestratorOptions { attempts: 5, ..Default::default() };
    let error = orchestrator_with(&storage, options).run(&counting(Arc::clone(&seen)), Order(7)).await.err();
    let Some(OrchestratorError::Storage { use_case: "commit", source }) = error else { panic!("{error:?}") };
    assert_eq!(source.kind, StorageErrorKind::Contention);
    assert_eq!(*seen.lock().expect("not poisoned"), 5);
    assert_untouched(&storage);
}

#[tokio::test(start_paused = true)]
async fn after_contention_another_error_ends_it() {
    let storage = FakeStorage::new();
    storage.script(Point::Commit, contention(1).chain([Behaviour::Fail(StorageErrorKind::Full)]));
    let seen = Arc::default();
    let error = orchestrator(&storage).run(&counting(Arc::clone(&seen)), Order(7)).await.err();
    assert!(matches!(error, Some(OrchestratorError::Storage { .. })), "{error:?}");
    assert_eq!(*seen.lock().expect("not poisoned"), 2);
    assert_untouched(&storage);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_given_to_the_storage_shrinks_with_every_attempt() {
    let storage = FakeStorage::new();
    storage.script(Point::Commit, contention(6));
    orchestrator(&storage).run(&counting(Arc::default()), Order(7)).await.expect("it goes well");
    let deadlines: Vec<_> = storage.begun_with().iter().map(|o| o.deadline).collect();
    assert_eq!(deadlines.len(), 7);
    assert!(deadlines.windows(2).all(|pair| pair[1] < pair[0]), "{deadlines:?}");
}
