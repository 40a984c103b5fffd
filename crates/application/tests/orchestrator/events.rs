//! Events go to the outbox with the transaction that recorded them.

use std::sync::Arc;

use activelog_application::{
    orchestrator::RequestContext,
    ports::IdGenerator,
    testing::{Behaviour, FakeStorage, Gate, Point, SequentialIds},
};
use activelog_domain::event::TraceContext;

use crate::setting::{Booked, Order, chain, orchestrator};

#[tokio::test]
async fn they_keep_the_order_of_recording_and_carry_the_context() {
    let storage = FakeStorage::new();
    let ids = SequentialIds::default();
    let (correlation, cause) = (ids.next_id(), ids.next_id());
    let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=1"));
    assert!(trace.is_some());
    let context = RequestContext { correlation_id: correlation, causation_id: Some(cause), trace: trace.clone() };
    orchestrator(&storage).run(&chain(), Order(7)).context(context).await.expect("nothing fails");
    let events = storage.committed().events;
    let sequences: Vec<u64> = events.iter().map(|e| e.open::<Booked>().expect("a booking").sequence).collect();
    assert_eq!(sequences, [1, 2]);
    for event in &events {
        assert_eq!((event.correlation_id, event.causation_id), (correlation, Some(cause)));
        assert_eq!(event.trace, trace);
        assert_eq!((event.subject.as_str(), event.partition_key.as_str()), ("order-1", "order-1"));
        assert_eq!(event.time.to_string(), "2026-03-12T18:00:00Z");
    }
    assert!(events[0].id < events[1].id);
}

#[tokio::test]
async fn a_run_without_context_starts_one_of_its_own() {
    let storage = FakeStorage::new();
    let orchestrator = orchestrator(&storage);
    for _ in 0..2 {
        orchestrator.run(&chain(), Order(7)).await.expect("nothing fails");
    }
    let events = storage.committed().events;
    assert_eq!(events[0].correlation_id, events[1].correlation_id);
    assert_ne!(events[1].correlation_id, events[2].correlation_id);
    assert!(events.iter().all(|e| e.causation_id.is_none() && e.trace.is_none()));
}

#[tokio::test]
async fn they_are_not_there_before_the_commit() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Commit, [Behaviour::Wait(gate.clone())]);
    let run = tokio::spawn(orchestrator(&storage).run(&chain(), Order(7)).into_future());
    gate.arrived(1).await;
    assert!(storage.committed().events.is_empty());
    gate.open();
    assert!(run.await.expect("no panic").is_ok());
    assert_eq!(storage.committed().events.len(), 2);
}
