//! After its quick attempts an event is parked, with everything of its key behind it; then it is taken, or becomes a dead letter.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use activelog_application::{
    delivery::HandlerError,
    ports::{AfterDeadLetter, DeadLetter, DeadLetterFilter, DeadLetterState, DeadLetters, DeathReason},
    testing::{FakeStorage, Gate},
};
use activelog_domain::event::EventEnvelope;
use tokio::time::Instant;

use crate::{
    setting::{Differences, Doer, POLICY, Running, effects, happened, idle, run, run_with, until},
    stream::acked,
};

/// Refuses the first event of `key` until it is healed.
fn refusing(key: &'static str) -> (Arc<Doer>, Arc<AtomicBool>) {
    let healed = Arc::new(AtomicBool::new(false));
    let seen = healed.clone();
    let handler = Doer::doing("refusing", move |event, _| {
        let refused = event.key == key && event.sequence == 1 && !seen.load(Ordering::Relaxed);
        Box::pin(async move { if refused { Err(HandlerError::retry("not yet")) } else { Ok(()) } })
    });
    (handler, healed)
}

/// Can never take the first event of `key`.
fn never(key: &'static str) -> Arc<Doer> {
    Doer::doing("never", move |event, _| {
        let refused = event.key == key && event.sequence == 1;
        Box::pin(async move { if refused { Err(HandlerError::permanent("never")) } else { Ok(()) } })
    })
}

fn of<'e>(effects: &'e [String], key: &str) -> Vec<&'e str> {
    effects.iter().filter(|effect| effect.contains(&format!(":{key}/"))).map(String::as_str).collect()
}

async fn letters(running: &Running) -> Vec<DeadLetter> {
    DeadLetters::list(&running.failures, &DeadLetterFilter::default(), None, 100).await.expect("a list").items
}

async fn until_dead(running: &Running, count: usize) -> Vec<DeadLetter> {
    until("dead letters", async || letters(running).await.len() == count).await;
    letters(running).await
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_a_parked_event_waits_and_everything_else_flows() {
    let storage = FakeStorage::new();
    let (handler, healed) = refusing("a");
    let other = Doer::new("other");
    let running = run(&storage, &[&handler, &other]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2)), ("b1", happened("b", 1))]);
    running.feed.log.until(&[acked("a1"), acked("a2"), acked("b1")]).await;
    assert_eq!(running.parked().await, 2, "nothing is left with the broker");
    running.feed.deliver(vec![("a3", happened("a", 3)), ("b2", happened("b", 2))]);
    running.feed.log.until(&[acked("a3"), acked("b2")]).await;
    let before = effects(&storage);
    assert!(of(&before, "a").iter().all(|effect| effect.starts_with("other:")), "{before:?}");
    assert_eq!(of(&before, "a").len(), 3, "another handler is not delayed");
    assert_eq!(of(&before, "b").len(), 4, "nor another key");

    healed.store(true, Ordering::Relaxed);
    until("the lane is empty", async || running.parked().await == 0).await;
    running.feed.deliver(vec![("a4", happened("a", 4))]);
    running.feed.log.until(&[acked("a4")]).await;
    let after = effects(&storage);
    let refused: Vec<_> = of(&after, "a").into_iter().filter(|effect| effect.starts_with("refusing")).collect();
    assert_eq!(refused, ["refusing:a/1", "refusing:a/2", "refusing:a/3", "refusing:a/4"], "in order");
}

#[tokio::test(start_paused = true)]
async fn back_off_doubles_until_the_attempts_are_used_up() {
    let storage = FakeStorage::new();
    let (handler, _) = refusing("a");
    let running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    let dead = until_dead(&running, 1).await;
    assert_eq!(handler.calls().len(), 6, "three quick ones and three after back-off");
    for (attempt, pair) in handler.instants()[2..].windows(2).enumerate() {
        let most = POLICY.first_backoff * (1 << attempt);
        let pause = pair[1] - pair[0];
        assert!(pause >= most / 2 && pause <= most + Duration::from_millis(600), "{attempt}: {pause:?}");
    }
    let letter = &dead[0];
    assert_eq!(letter.death.reason, DeathReason::Exhausted);
    assert_eq!((letter.death.failures.attempts, letter.death.failures.error.as_str()), (6, "not yet"));
    assert!(letter.death.failures.first_at < letter.death.failures.last_at);
    assert_eq!((letter.addressed.handler.as_str(), letter.addressed.group.as_str()), ("refusing", "group"));
    assert!(letter.holds && letter.state == DeadLetterState::Dead);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_is_a_dead_letter_at_once_and_holds_the_aggregate() {
    let storage = FakeStorage::new();
    let handler = never("a");
    let running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2)), ("b1", happened("b", 1))]);
    running.feed.log.until(&[acked("a1"), acked("a2"), acked("b1")]).await;
    assert_eq!(letters(&running).await[0].death.reason, DeathReason::Permanent);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(handler.calls(), ["a/1", "b/1"], "no second attempt, and nothing behind it");

    assert!(running.failures.discard(letters(&running).await[0].id).await.expect("it is there"));
    until("what was behind it goes on", async || effects(&storage).contains(&"never:a/2".to_owned())).await;
    assert_eq!(running.parked().await, 0);
    assert_eq!(letters(&running).await[0].state, DeadLetterState::Discarded);
}

#[tokio::test(start_paused = true)]
async fn a_policy_can_let_the_aggregate_go_on() {
    let storage = FakeStorage::new();
    let handler = never("a");
    let policy = crate::setting::POLICY;
    let goes_on =
        activelog_application::delivery::FailurePolicy { after_dead_letter: AfterDeadLetter::Continue, ..policy };
    let running = run_with(&storage, &[&handler], Differences { policy: goes_on, ..Differences::default() });
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    running.feed.log.until(&[acked("a1"), acked("a2")]).await;
    assert_eq!(effects(&storage), ["never:a/2"]);
    assert!(!letters(&running).await[0].holds);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_a_dead_letter_with_the_reason() {
    let storage = FakeStorage::new();
    let handler = Doer::new("one");
    let running = run(&storage, &[&handler]);
    let broken = EventEnvelope { data: "{broken".into(), ..happened("a", 1) };
    let newer = EventEnvelope { version: 2, ..happened("b", 1) };
    let binary = EventEnvelope { content_type: "application/protobuf".into(), ..happened("c", 1) };
    running.feed.deliver(vec![("a1", broken), ("b1", newer), ("c1", binary), ("d1", happened("d", 1))]);
    running.feed.log.until(&[acked("a1"), acked("b1"), acked("c1"), acked("d1")]).await;
    let dead = letters(&running).await;
    assert!(dead.iter().all(|letter| letter.death.reason == DeathReason::Undecodable), "{dead:?}");
    let errors: Vec<_> = dead.iter().map(|letter| letter.death.failures.error.as_str()).collect();
    assert!(errors.iter().any(|error| error.contains("has version 2; this program knows up to 1")), "{errors:?}");
    assert_eq!((dead.len(), handler.calls()), (3, vec!["d/1".to_owned()]), "no handler sees it");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_replayed_is_taken_before_what_came_behind_it() {
    let storage = FakeStorage::new();
    let (handler, healed) = refusing("a");
    let running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    let dead = until_dead(&running, 1).await;
    // It dies again, and keeps its history.
    assert!(running.failures.replay(dead[0].id).await.expect("it is there"));
    assert!(!running.failures.replay(dead[0].id).await.expect("it is there"), "once");
    until("it dies again", async || letters(&running).await[0].earlier.len() == 1).await;
    assert_eq!(letters(&running).await[0].id, dead[0].id);

    healed.store(true, Ordering::Relaxed);
    assert!(running.failures.replay(dead[0].id).await.expect("it is there"));
    until("all is taken", async || running.parked().await == 0).await;
    assert_eq!(effects(&storage), ["refusing:a/1", "refusing:a/2"]);
    assert_eq!(letters(&running).await[0].state, DeadLetterState::Replayed);
    // The broker delivers it once more.
    running.feed.deliver(vec![("again", (*dead[0].addressed.event).clone())]);
    running.feed.log.until(&[acked("again")]).await;
    assert_eq!(effects(&storage).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_worker_was_retrying_goes_on_with_another() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let at_gate = gate.clone();
    let handler = Doer::doing("hanging", move |event, attempt| {
        let gate = at_gate.clone();
        Box::pin(async move {
            match (event.sequence, attempt) {
                (1, 1..=3) => Err(HandlerError::retry("not yet")),
                (1, 4) => {
                    gate.pass().await;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    });
    let first = run(&storage, &[&handler]);
    first.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    gate.arrived(1).await;
    let second = run(&storage, &[&handler]);
    let killed = Instant::now();
    first.kill().await;
    until("the other takes it", async || second.parked().await == 0).await;
    assert!(killed.elapsed() < Duration::from_secs(25), "within the claim: {:?}", killed.elapsed());
    assert_eq!(effects(&storage), ["hanging:a/1", "hanging:a/2"]);
}

#[tokio::test(start_paused = true)]
async fn several_workers_never_retry_one_lane_at_once() {
    let storage = FakeStorage::new();
    let busy = Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let seen = busy.clone();
    let handler = Doer::doing("slow", move |event, attempt| {
        let busy = seen.clone();
        Box::pin(async move {
            if event.sequence == 1 && attempt <= 3 {
                return Err(HandlerError::retry("not yet"));
            }
            assert!(
                busy.lock().expect("not poisoned").insert(event.key.clone()),
                "{} is taken twice at once",
                event.key
            );
            tokio::time::sleep(Duration::from_millis(300)).await;
            busy.lock().expect("not poisoned").remove(&event.key);
            Ok(())
        })
    });
    let workers = [run(&storage, &[&handler]), run(&storage, &[&handler]), run(&storage, &[&handler])];
    for (n, worker) in workers.iter().enumerate() {
        for key in 0..5 {
            let key = format!("{n}{key}");
            worker.feed.deliver((1..=4).map(|sequence| ("event", happened(&key, sequence))).collect());
        }
    }
    until("all is taken", async || effects(&storage).len() == 60).await;
    for n in 0..3 {
        for key in 0..5 {
            let all = effects(&storage);
            let expected: Vec<_> = (1..=4).map(|sequence| format!("slow:{n}{key}/{sequence}")).collect();
            assert_eq!(of(&all, &format!("{n}{key}")), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_retrier_after_the_attempt_under_way() {
    let storage = FakeStorage::new();
    let gate = Arc::new(Gate::new());
    let at_gate = gate.clone();
    let handler = Doer::doing("hanging", move |event, attempt| {
        let gate = at_gate.clone();
        Box::pin(async move {
            if event.sequence == 1 && attempt <= 3 {
                return Err(HandlerError::retry("not yet"));
            }
            gate.pass().await;
            Ok(())
        })
    });
    let mut running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    gate.arrived(1).await;
    running.stop.cancel();
    idle().await;
    gate.open();
    running.retrier.take().expect("a retrier").await.expect("no panic");
    assert_eq!(effects(&storage), ["hanging:a/1"]);
    assert_eq!(running.parked().await, 1, "the next one is left for another");
}

#[tokio::test(start_paused = true)]
async fn an_outage_counts_no_attempt_of_a_parked_event() {
    let storage = FakeStorage::new();
    let (handler, healed) = refusing("a");
    let running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    running.feed.log.until(&[acked("a1")]).await;
    healed.store(true, Ordering::Relaxed);
    use activelog_application::testing::{Behaviour, Point};
    storage.script(
        Point::Take,
        std::iter::repeat_n(Behaviour::Fail(activelog_application::ports::StorageErrorKind::Unavailable), 50),
    );
    until("it is taken", async || running.parked().await == 0).await;
    assert_eq!(effects(&storage), ["refusing:a/1"]);
    assert!(letters(&running).await.is_empty());
}
