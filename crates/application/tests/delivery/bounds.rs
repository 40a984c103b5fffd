//! The memory that events under way take is bounded.

use std::sync::Arc;

use activelog_application::{
    delivery::ConsumerOptions,
    testing::{FakeStorage, Gate},
};

use crate::{
    setting::{Differences, Doer, happened, idle, run_with},
    stream::acked,
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
async fn intake_waits_until_there_is_room() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let events = [happened("a", 1), happened("b", 1), happened("c", 1)];
    let options = ConsumerOptions { memory: events[0].size() + events[1].size(), ..Default::default() };
    let running = run_with(&storage, &[&waiting_at(&gate)], Differences { options, ..Differences::default() });
    let [a, b, c] = events;
    running.feed.deliver_singly(vec![("a", a), ("b", b), ("c", c)]);
    gate.arrived(2).await;
    idle().await;
    assert_eq!(gate.arrivals(), 2, "the third finds no room");
    gate.open();
    running.feed.log.until(&[acked("a"), acked("b"), acked("c")]).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_larger_than_the_bound_goes_alone() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let options = ConsumerOptions { memory: 16, ..Default::default() };
    let running = run_with(&storage, &[&waiting_at(&gate)], Differences { options, ..Differences::default() });
    running.feed.deliver(vec![("a", happened("a", 1)), ("b", happened("b", 1))]);
    gate.arrived(1).await;
    idle().await;
    assert_eq!(gate.arrivals(), 1);
    gate.open();
    running.feed.log.until(&[acked("a"), acked("b")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_room() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let options = ConsumerOptions { memory: 16, ..Default::default() };
    let running = run_with(&storage, &[&waiting_at(&gate)], Differences { options, ..Differences::default() });
    running.feed.deliver(vec![("a", happened("a", 1)), ("b", happened("b", 1)), ("c", happened("c", 1))]);
    gate.arrived(1).await;
    idle().await;
    running.stop.cancel();
    running.feed.log.until(&[crate::stream::abandoned("b"), crate::stream::abandoned("c")]).await;
    gate.open();
    running.feed.log.until(&[acked("a")]).await;
    running.task.await.expect("no panic");
    assert_eq!(gate.arrivals(), 1);
}
