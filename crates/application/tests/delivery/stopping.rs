//! Stopping finishes what has begun, gives the rest back, and loses nothing.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    delivery::{ConsumerOptions, ConsumerStatus, HandlerError},
    testing::{FakeStorage, Gate},
};
use tokio::time::Instant;

use crate::{
    setting::{Differences, Doer, effects, happened, idle, run, run_with},
    stream::{Settled, abandoned, acked},
};

fn waiting_at(gate: &Arc<Gate>) -> Arc<Doer> {
    let gate = gate.clone();
    Doer::doing("waiting", move |_, _| {
        let gate = gate.clone();
        Box::pin(async move {
            gate.pass().await;
            Ok(())
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_stop_drains_what_has_begun_and_gives_the_rest_back() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let running = run(&storage, &[&waiting_at(&gate)]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2)), ("b1", happened("b", 1))]);
    gate.arrived(2).await;
    assert_eq!(*running.status.borrow(), ConsumerStatus::Running);
    running.stop.cancel();
    running.feed.deliver(vec![("c1", happened("c", 1))]);
    idle().await;
    assert_eq!(*running.status.borrow(), ConsumerStatus::Draining);
    assert!(!running.feed.log.is_closed(), "what has begun can still be acknowledged");
    gate.open();
    running.task.await.expect("no panic");
    assert_eq!(*running.status.borrow(), ConsumerStatus::Stopped);
    assert!(running.feed.log.is_closed());
    let settled = running.feed.log.settled();
    assert!([acked("a1"), acked("b1"), abandoned("a2")].iter().all(|s| settled.contains(s)), "{settled:?}");
    assert!(!settled.contains(&acked("c1")));
    assert_eq!((effects(&storage).len(), gate.arrivals()), (2, 2));
}

/// What waits for its turn among too many has not begun, and does not hold up a stop.
#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_waits_for_its_turn() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let running = run_with(&storage, &[&waiting_at(&gate)], Differences { concurrency: 1, ..Differences::default() });
    running.feed.deliver(vec![("a1", happened("a", 1)), ("b1", happened("b", 1)), ("c1", happened("c", 1))]);
    gate.arrived(1).await;
    running.stop.cancel();
    idle().await;
    gate.open();
    running.task.await.expect("no panic");
    let settled = running.feed.log.settled();
    let back = |label: &str| Settled::Nacked(label.to_owned(), Duration::ZERO);
    assert!([acked("a1"), back("b1"), back("c1")].iter().all(|s| settled.contains(s)), "{settled:?}");
    assert_eq!((effects(&storage).len(), gate.arrivals()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_time_goes_back() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let options = ConsumerOptions { drain: Duration::from_secs(2), ..Default::default() };
    let running = run_with(&storage, &[&waiting_at(&gate)], Differences { options, ..Differences::default() });
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    gate.arrived(1).await;
    let stopped = Instant::now();
    running.stop.cancel();
    running.task.await.expect("no panic");
    assert!(stopped.elapsed() >= Duration::from_secs(2) && stopped.elapsed() < Duration::from_secs(3));
    let settled = running.feed.log.settled();
    assert!(settled.contains(&abandoned("a1")) && settled.contains(&abandoned("a2")), "{settled:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hard_stop_ends_at_once_and_what_was_under_way_takes_effect_once() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let handler = waiting_at(&gate);
    let running = run(&storage, &[&handler]);
    let event = happened("a", 1);
    running.feed.deliver(vec![("a1", event.clone())]);
    gate.arrived(1).await;
    let stopped = Instant::now();
    running.stop.cancel();
    running.hard_stop.cancel();
    running.task.await.expect("no panic");
    assert!(stopped.elapsed() < Duration::from_millis(10), "{:?}", stopped.elapsed());
    assert_eq!(running.feed.log.settled(), [abandoned("a1")]);
    // The transaction was under way and ends as it would have; the event that arrives again finds it in the inbox.
    gate.open();
    running.orchestrator.close().await;
    assert_eq!(effects(&storage), ["waiting:a/1"]);
    let again = run(&storage, &[&handler]);
    again.feed.deliver(vec![("again", event)]);
    again.feed.log.until(&[acked("again")]).await;
    assert_eq!((effects(&storage).len(), handler.calls().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_event_between_two_attempts_is_given_back_at_once() {
    let storage = FakeStorage::new();
    let not_yet = Doer::doing("not yet", |_, _| Box::pin(async { Err(HandlerError::retry("not yet")) }));
    let running = run(&storage, &[&not_yet]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    idle().await;
    assert_eq!(not_yet.calls(), ["a/1"]);
    let stopped = Instant::now();
    running.stop.cancel();
    running.task.await.expect("no panic");
    assert!(stopped.elapsed() < Duration::from_millis(10), "{:?}", stopped.elapsed());
    let settled = running.feed.log.settled();
    assert_eq!(settled, [Settled::Nacked("a1".to_owned(), Duration::ZERO), abandoned("a2")]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_ends_the_consumer_after_what_has_begun() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let running = run(&storage, &[&waiting_at(&gate)]);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    gate.arrived(1).await;
    let log = running.feed.end();
    idle().await;
    assert!(!running.task.is_finished());
    gate.open();
    running.task.await.expect("no panic");
    assert_eq!(log.settled(), [acked("a1")]);
    assert!(log.is_closed());
    assert!(!running.stop.is_cancelled(), "the end of one stream stops nothing else");
}

#[tokio::test(start_paused = true)]
async fn a_consumer_says_what_it_does() {
    let storage = FakeStorage::new();
    let mut running = run(&storage, &[&Doer::new("one")]);
    assert_eq!(*running.status.borrow(), ConsumerStatus::Starting);
    let begun = running.status.wait_for(|s| *s == ConsumerStatus::Running).await.is_ok();
    assert!(begun);
    running.stop.cancel();
    running.task.await.expect("no panic");
    assert_eq!(*running.status.borrow(), ConsumerStatus::Stopped);
}
