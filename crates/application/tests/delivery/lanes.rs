//! Order within a key, concurrency across keys.

use std::sync::Arc;

use activelog_application::testing::{FakeStorage, Gate};

use crate::{
    setting::{Doer, effects, happened, idle, run},
    stream::acked,
};

/// A handler that waits at the gate for one key and lets all others through.
fn blocked_on(key: &'static str, gate: &Arc<Gate>) -> Arc<Doer> {
    let gate = gate.clone();
    Doer::doing("blocked", move |event, _| {
        let gate = (event.key == key).then(|| gate.clone());
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            Ok(())
        })
    })
}

#[tokio::test(start_paused = true)]
async fn events_of_a_key_come_one_after_the_other_in_their_order() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let handler = blocked_on("a", &gate);
    let running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    running.feed.deliver(vec![("a3", happened("a", 3))]);
    gate.arrived(1).await;
    idle().await;
    assert_eq!(handler.calls(), ["a/1"], "the second waits for the first");
    gate.open();
    running.feed.log.until(&[acked("a3")]).await;
    assert_eq!(effects(&storage), ["blocked:a/1", "blocked:a/2", "blocked:a/3"]);
    assert_eq!(running.feed.log.settled(), [acked("a1"), acked("a2"), acked("a3")]);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_key_holds_up_no_other() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let running = run(&storage, &[&blocked_on("a", &gate)]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("b1", happened("b", 1)), ("a2", happened("a", 2))]);
    gate.arrived(1).await;
    running.feed.deliver(vec![("b2", happened("b", 2)), ("c1", happened("c", 1))]);
    running.feed.log.until(&[acked("b1"), acked("b2"), acked("c1")]).await;
    assert!(!running.feed.log.settled().contains(&acked("a1")), "a is still at the gate");
    gate.open();
    running.feed.log.until(&[acked("a1"), acked("a2")]).await;
}

#[tokio::test(start_paused = true)]
async fn keys_run_at_the_same_time() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let waiting = gate.clone();
    let handler = Doer::doing("all", move |_, _| {
        let gate = waiting.clone();
        Box::pin(async move {
            gate.pass().await;
            Ok(())
        })
    });
    let running = run(&storage, &[&handler]);
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    running.feed.deliver(keys.iter().map(|key| (*key, happened(key, 1))).collect());
    gate.arrived(keys.len()).await;
    gate.open();
    running.feed.log.until(&keys.map(acked)).await;
}

#[tokio::test(start_paused = true)]
async fn many_events_of_many_keys_keep_their_order() {
    let storage = FakeStorage::new();
    // Uneven work, so that lanes overtake each other.
    let handler = Doer::doing("uneven", |event, _| {
        Box::pin(async move {
            tokio::time::sleep(std::time::Duration::from_millis((event.sequence * 7) % 5)).await;
            Ok(())
        })
    });
    let running = run(&storage, &[&handler]);
    let keys: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    for sequence in 1..=30 {
        running.feed.deliver(keys.iter().map(|key| ("any", happened(key, sequence))).collect());
    }
    running.feed.deliver(keys.iter().map(|key| (key.as_str(), happened(key, 31))).collect());
    running.feed.log.until(&keys.iter().map(|key| acked(key)).collect::<Vec<_>>()).await;
    let done = effects(&storage);
    assert_eq!(done.len(), 20 * 31);
    for key in &keys {
        let prefix = format!("uneven:{key}/");
        let order: Vec<u64> = done.iter().filter_map(|e| e.strip_prefix(&prefix)?.parse().ok()).collect();
        assert_eq!(order, (1..=31).collect::<Vec<_>>(), "{key}");
    }
}
