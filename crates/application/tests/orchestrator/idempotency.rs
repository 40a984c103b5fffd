//! At most once per idempotency key, with the same answer for whoever asks again.

use std::sync::{Arc, Mutex};

use activelog_application::{
    orchestrator::{IdempotentOutcome, OrchestratorError, Outputs},
    ports::{IdempotencyKey, StorageErrorKind, StoredResponse},
    testing::{Behaviour, FakeStorage, Gate, Point},
};

use crate::setting::{Deed, Invoice, Order, assert_untouched, chain, chain_with, counting, orchestrator};

fn key(fingerprint: u8) -> IdempotencyKey {
    IdempotencyKey { scope: "POST /orders".into(), key: "k-1".into(), fingerprint: [fingerprint; 16] }
}

fn encode(outputs: &Outputs) -> StoredResponse {
    let body = outputs.get::<Invoice>().map_or_else(String::new, |i| i.0.to_string());
    StoredResponse { status: 201, headers: vec![("Location".into(), "/orders/1".into())], body: body.into() }
}

fn answer(body: &'static str) -> StoredResponse {
    StoredResponse { status: 201, headers: vec![("Location".into(), "/orders/1".into())], body: body.into() }
}

#[tokio::test]
async fn the_second_request_gets_the_first_answer_and_does_nothing() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    let seen: Arc<Mutex<u32>> = Arc::default();
    let chain = counting(seen.clone());
    let first = orchestrator.run(&chain, Order(7)).idempotent(key(1), encode).await.expect("nothing fails");
    assert_eq!(first, IdempotentOutcome::Done(answer("701")));
    let second = orchestrator.run(&chain, Order(7)).idempotent(key(1), encode).await.expect("nothing fails");
    assert_eq!(second, IdempotentOutcome::Replayed(answer("701")));
    assert_eq!(*seen.lock().expect("not poisoned"), 1);
    assert_eq!(storage.committed().events.len(), 1);
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    orchestrator.run(&chain(), Order(7)).idempotent(key(1), encode).await.expect("nothing fails");
    let error = orchestrator.run(&chain(), Order(8)).idempotent(key(2), encode).await.err();
    assert!(matches!(error, Some(OrchestratorError::KeyReused)), "{error:?}");
    assert_eq!(storage.committed().events.len(), 2, "those of the first");
}

#[tokio::test]
async fn the_answer_is_kept_in_the_transaction_of_the_work() {
    let storage = FakeStorage::new();
    storage.script(Point::Commit, [Behaviour::Fail(StorageErrorKind::Full)]);
    let orchestrator = orchestrator(&storage);
    assert!(orchestrator.run(&chain(), Order(7)).idempotent(key(1), encode).await.is_err());
    assert_untouched(&storage);
    let gate = Arc::new(Gate::new());
    storage.script(Point::Commit, [Behaviour::Wait(gate.clone())]);
    let run = tokio::spawn(orchestrator.run(&chain(), Order(7)).idempotent(key(1), encode).into_future());
    gate.arrived(1).await;
    assert_untouched_yet(&storage);
    gate.open();
    assert!(run.await.expect("no panic").is_ok());
    let committed = storage.committed();
    assert_eq!((committed.answers.len(), committed.events.len()), (1, 2));
    assert_eq!(storage.tally().committed, 1, "both in one commit");
}

fn assert_untouched_yet(storage: &FakeStorage) {
    let committed = storage.committed();
    assert!(committed.answers.is_empty() && committed.events.is_empty(), "{committed:?}");
}

#[tokio::test]
async fn a_refused_request_frees_its_key() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    assert!(orchestrator.run(&chain_with(Deed::Refuse), Order(7)).idempotent(key(1), encode).await.is_err());
    assert_untouched(&storage);
    let again = orchestrator.run(&chain(), Order(7)).idempotent(key(2), encode).await;
    assert!(matches!(again, Ok(IdempotentOutcome::Done(_))), "{again:?}");
}

#[tokio::test]
async fn two_at_once_do_the_work_once() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    let gate = Arc::new(Gate::new());
    let chain = chain_with(Deed::Wait(gate.clone()));
    let first = tokio::spawn(orchestrator.run(&chain, Order(7)).idempotent(key(1), encode).into_future());
    gate.arrived(1).await;
    let second = tokio::spawn(orchestrator.run(&chain, Order(7)).idempotent(key(1), encode).into_future());
    gate.open();
    let first = first.await.expect("no panic").expect("nothing fails");
    let second = second.await.expect("no panic").expect("nothing fails");
    assert_eq!(first, IdempotentOutcome::Done(answer("7")));
    assert_eq!(second, IdempotentOutcome::Replayed(answer("7")));
    assert_eq!((storage.committed().events.len(), gate.arrivals()), (1, 1));
}

#[tokio::test]
async fn after_an_unknown_outcome_the_key_tells() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    for (committed, begun) in [(false, 0), (true, 2)] {
        storage.script(Point::Commit, [Behaviour::Lost { committed }]);
        let lost = orchestrator.run(&chain(), Order(7)).idempotent(key(1), encode).await;
        assert!(matches!(lost, Err(OrchestratorError::Unknown { .. })), "{lost:?}");
        assert_eq!(storage.committed().events.len(), begun);
    }
    let again = orchestrator.run(&chain(), Order(7)).idempotent(key(1), encode).await.expect("nothing fails");
    assert_eq!(again, IdempotentOutcome::Replayed(answer("7")));
}

#[tokio::test(start_paused = true)]
async fn contention_on_the_key_runs_again() {
    let storage = FakeStorage::new();
    storage.script(Point::Claim, [Behaviour::Fail(StorageErrorKind::Contention)]);
    storage.script(Point::Answer, [Behaviour::Fail(StorageErrorKind::Contention)]);
    let done = orchestrator(&storage).run(&chain(), Order(7)).idempotent(key(1), encode).await;
    assert!(matches!(done, Ok(IdempotentOutcome::Done(_))), "{done:?}");
    assert_eq!((storage.committed().events.len(), storage.tally().begun), (2, 3));
}
