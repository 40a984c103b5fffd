//! An event takes effect once, and is acknowledged when it has for every handler.

use std::sync::Arc;

use activelog_application::{
    delivery::HandlerError,
    testing::{Behaviour, FakeStorage, Gate, Point},
};

use crate::{
    setting::{Doer, effects, happened, idle, run},
    stream::acked,
};

#[tokio::test(start_paused = true)]
async fn it_is_acknowledged_only_after_every_handler_has_committed() {
    let storage = FakeStorage::new();
    let gates = [Arc::new(Gate::new()), Arc::new(Gate::new())];
    storage.script(Point::Commit, gates.iter().map(|gate| Behaviour::Wait(gate.clone())));
    let running = run(&storage, &[&Doer::new("one"), &Doer::new("two")]);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    gates[0].arrived(1).await;
    gates[1].arrived(1).await;
    gates[0].open();
    idle().await;
    assert_eq!(effects(&storage).len(), 1);
    assert!(running.feed.log.settled().is_empty(), "the other one has not committed");
    gates[1].open();
    running.feed.log.until(&[acked("a1")]).await;
    assert_eq!(effects(&storage).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_redelivered_event_is_skipped_and_acknowledged() {
    let storage = FakeStorage::new();
    let handler = Doer::new("one");
    let running = run(&storage, &[&handler]);
    let event = happened("a", 1);
    running.feed.deliver(vec![("first", event.clone())]);
    running.feed.log.until(&[acked("first")]).await;
    running.feed.deliver(vec![("second", event.clone()), ("third", event)]);
    running.feed.log.until(&[acked("second"), acked("third")]).await;
    assert_eq!(effects(&storage), ["one:a/1"]);
    assert_eq!(handler.calls(), ["a/1"]);
}

#[tokio::test(start_paused = true)]
async fn two_copies_under_way_at_once_take_effect_once() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    storage.script(Point::Commit, [Behaviour::Wait(gate.clone())]);
    let handler = Doer::new("one");
    let (here, there) = (run(&storage, &[&handler]), run(&storage, &[&handler]));
    let event = happened("a", 1);
    here.feed.deliver(vec![("here", event.clone())]);
    gate.arrived(1).await;
    there.feed.deliver(vec![("there", event)]);
    idle().await;
    assert!(there.feed.log.settled().is_empty(), "it waits for the other's outcome");
    gate.open();
    here.feed.log.until(&[acked("here")]).await;
    there.feed.log.until(&[acked("there")]).await;
    assert_eq!(effects(&storage), ["one:a/1"]);
}

#[tokio::test(start_paused = true)]
async fn one_handlers_failure_does_not_run_another_again() {
    let storage = FakeStorage::new();
    let good = Doer::new("good");
    let bad = Doer::doing("bad", |_, attempt| {
        Box::pin(async move { if attempt < 3 { Err(HandlerError::retry("not yet")) } else { Ok(()) } })
    });
    let running = run(&storage, &[&good, &bad]);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    running.feed.log.until(&[acked("a1")]).await;
    assert_eq!((good.calls().len(), bad.calls().len()), (1, 3));
    assert_eq!(effects(&storage), ["good:a/1", "bad:a/1"], "effects of failed attempts are gone");
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_to_the_commit_the_inbox_tells() {
    for committed in [true, false] {
        let storage = FakeStorage::new();
        storage.script(Point::Commit, [Behaviour::Lost { committed }]);
        let handler = Doer::new("one");
        let running = run(&storage, &[&handler]);
        running.feed.deliver(vec![("a1", happened("a", 1))]);
        running.feed.log.until(&[acked("a1")]).await;
        assert_eq!(effects(&storage), ["one:a/1"]);
        assert_eq!(handler.calls().len(), if committed { 1 } else { 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_stops_nothing() {
    let storage = FakeStorage::new();
    let running = run(&storage, &[&Doer::new("one")]);
    running.feed.log.lose_acks();
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    running.feed.log.until(&[acked("a1"), acked("a2")]).await;
    assert_eq!(effects(&storage), ["one:a/1", "one:a/2"]);
}
