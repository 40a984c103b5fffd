//! What a run answers, and that nothing stays of one that fails.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    orchestrator::{Chain, OrchestratorError, use_case_fn},
    ports::{Isolation, StorageErrorKind},
    testing::{Behaviour, FakeStorage, Gate, Point},
};

use crate::setting::{Deed, Invoice, NoCredit, Order, Receipt, Tx, assert_untouched, chain, chain_with, orchestrator};

#[tokio::test]
async fn the_result_holds_what_was_provided_and_not_the_input() {
    let storage = FakeStorage::new();
    let outputs = orchestrator(&storage).run(&chain(), Order(7)).await.expect("nothing fails");
    assert_eq!(outputs.get::<Invoice>().as_deref(), Some(&Invoice(7)));
    assert_eq!(outputs.get::<Receipt>().as_deref(), Some(&Receipt("paid 7".into())));
    assert!(outputs.get::<Order>().is_none(), "the input is not a result");
    assert_eq!(storage.tally().committed, 1);
}

#[tokio::test]
async fn a_refusal_names_the_use_case_keeps_its_reason_and_rolls_back() {
    let storage = FakeStorage::new();
    let error = orchestrator(&storage).run(&chain_with(Deed::Refuse), Order(7)).await.err().expect("a refusal");
    assert!(matches!(error, OrchestratorError::Rejected { use_case: "Saboteur", .. }), "{error:?}");
    assert!(error.rejection::<NoCredit>().is_some());
    assert!(error.rejection::<std::io::Error>().is_none());
    assert_eq!(error.to_string(), "Saboteur: no credit");
    assert_untouched(&storage);
    assert_eq!(storage.tally().rolled_back, 1);
}

#[tokio::test]
async fn a_panic_names_the_use_case_and_rolls_back() {
    let storage = FakeStorage::new();
    let error = orchestrator(&storage).run(&chain_with(Deed::Panic), Order(7)).await.err();
    let Some(OrchestratorError::Panicked { use_case: "Saboteur", message }) = error else { panic!("{error:?}") };
    assert_eq!(message, "out of ink");
    assert_untouched(&storage);
    assert_eq!(storage.tally().rolled_back, 1);
}

#[tokio::test]
async fn a_storage_failure_names_the_use_case_and_is_not_tried_again() {
    use activelog_application::ports::StorageErrorKind::{Constraint, Corrupt, Fenced, Full, Other, Unavailable};
    for kind in [Unavailable, Full, Constraint, Corrupt, Fenced, Other] {
        let storage = FakeStorage::new();
        storage.script(Point::Append, [Behaviour::Fail(kind)]);
        let error = orchestrator(&storage).run(&chain(), Order(7)).await.err();
        let Some(OrchestratorError::Storage { use_case: "outbox", source }) = error else { panic!("{error:?}") };
        assert_eq!(source.kind, kind);
        assert_untouched(&storage);
        assert_eq!(storage.tally().begun, 1);
    }
}

#[tokio::test]
async fn a_begin_that_fails_says_so() {
    let storage = FakeStorage::new();
    storage.script(Point::Begin, [Behaviour::Fail(StorageErrorKind::Unavailable)]);
    let error = orchestrator(&storage).run(&chain(), Order(7)).await.err();
    assert!(matches!(error, Some(OrchestratorError::Storage { use_case: "begin", .. })), "{error:?}");
    assert_untouched(&storage);
}

#[tokio::test]
async fn a_commit_that_is_rolled_back_is_a_failure_and_not_unknown() {
    let storage = FakeStorage::new();
    storage.script(Point::Commit, [Behaviour::Fail(StorageErrorKind::Full)]);
    let error = orchestrator(&storage).run(&chain(), Order(7)).await.err();
    assert!(matches!(error, Some(OrchestratorError::Storage { use_case: "commit", .. })), "{error:?}");
    assert_untouched(&storage);
}

#[tokio::test]
async fn a_lost_answer_to_the_commit_is_unknown_whether_or_not_it_was_done() {
    for committed in [true, false] {
        let storage = FakeStorage::new();
        storage.script(Point::Commit, [Behaviour::Lost { committed }]);
        let error = orchestrator(&storage).run(&chain(), Order(7)).await.err();
        assert!(matches!(error, Some(OrchestratorError::Unknown { .. })), "{error:?}");
        assert_eq!(storage.tally().begun, 1, "an unknown outcome is never run again");
    }
}

#[tokio::test]
async fn a_panic_inside_the_commit_leaves_the_outcome_unknown() {
    let storage = FakeStorage::new();
    storage.script(Point::Commit, [Behaviour::Panic]);
    let error = orchestrator(&storage).run(&chain(), Order(7)).await.err();
    assert!(matches!(error, Some(OrchestratorError::Unknown { .. })), "{error:?}");
}

#[tokio::test]
async fn a_panic_outside_of_the_use_cases_is_told_and_nothing_is_committed() {
    for point in [Point::Begin, Point::Append] {
        let storage = FakeStorage::new();
        storage.script(point, [Behaviour::Panic]);
        let error = orchestrator(&storage).run(&chain(), Order(7)).await.err();
        assert!(matches!(error, Some(OrchestratorError::Panicked { .. })), "{error:?}");
        assert_untouched(&storage);
    }
}

#[tokio::test]
async fn isolation_and_timeout_reach_the_storage() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    orchestrator.run(&chain(), Order(1)).await.expect("nothing fails");
    let run = orchestrator.run(&chain(), Order(1)).isolation(Isolation::Serializable).timeout(Duration::from_secs(3));
    run.await.expect("nothing fails");
    let begun = storage.begun_with();
    assert_eq!(begun[0].isolation, Isolation::ReadCommitted);
    assert!(begun[0].deadline > Duration::from_secs(59) && begun[0].deadline <= Duration::from_secs(60), "{begun:?}");
    assert_eq!(begun[1].isolation, Isolation::Serializable);
    assert!(begun[1].deadline <= Duration::from_secs(3), "{begun:?}");
}

#[tokio::test]
async fn a_caller_that_is_gone_does_not_cancel_half_way() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    let gate = Arc::new(Gate::new());
    let run = orchestrator.run(&chain_with(Deed::Wait(gate.clone())), Order(7)).into_future();
    let caller = tokio::spawn(run);
    gate.arrived(1).await;
    caller.abort();
    assert!(caller.await.is_err_and(|e| e.is_cancelled()));
    gate.open();
    orchestrator.close().await;
    assert_eq!(storage.committed().events.len(), 1);
    assert_eq!(storage.tally().committed, 1);
}

#[tokio::test]
async fn a_function_can_be_a_use_case_among_others() {
    let storage = FakeStorage::new();
    let sum = use_case_fn("Sum", |_, (order, invoice): (Arc<Order>, Arc<Invoice>)| {
        Box::pin(async move { Ok((Receipt((order.0 + invoice.0).to_string()),)) })
    });
    let chain = Chain::<Tx, Order>::new().then(crate::setting::WriteInvoice).then(sum).build();
    let run = orchestrator(&storage).run(&chain.expect("a chain that can run"), Order(4));
    let outputs = run.await.expect("nothing fails");
    assert_eq!(outputs.get::<Receipt>().as_deref(), Some(&Receipt("8".into())));
}
