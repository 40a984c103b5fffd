//! An event whose handler ends the process is recognised, and innocent ones are not blamed for it.

use std::{future::pending, time::Duration};

use activelog_application::{
    delivery::{FailurePolicy, HandlerError},
    ports::{CrashMarks, DeadLetterFilter, DeadLetters, DeathReason},
    testing::{Behaviour, FakeStorage, Point},
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    setting::{Differences, Doer, POLICY, Running, effects, guard, happened, run_guarded, until},
    stream::acked,
};
use std::sync::Arc;

/// Never answers for `key`, so that the test can end the process in the middle of it.
fn deadly(key: &'static str) -> Arc<Doer> {
    Doer::doing("deadly", move |event, _| {
        Box::pin(async move {
            if event.key == key {
                pending::<()>().await;
            }
            Ok(())
        })
    })
}

/// Fails so often, then succeeds.
fn failing(times: u32) -> Arc<Doer> {
    Doer::doing("fails", move |_, attempt| {
        Box::pin(async move { if attempt > times { Ok(()) } else { Err(HandlerError::retry("not yet")) } })
    })
}

async fn worker(storage: &Arc<FakeStorage>, handler: &Arc<Doer>, run: u128) -> Running {
    let guard = guard(storage, run).await;
    run_guarded(storage, &[handler], Differences::default(), Some(&guard))
}

#[tokio::test(start_paused = true)]
async fn an_event_that_ends_the_process_again_and_again_becomes_a_dead_letter() {
    let storage = FakeStorage::new();
    let handler = deadly("bad");
    let (bad, good) = (happened("bad", 1), happened("good", 1));
    let mut run = 0;
    loop {
        run += 1;
        assert!(run < 10, "it is not recognised");
        let worker = worker(&storage, &handler, run).await;
        // What was not acknowledged comes again.
        worker.feed.deliver(vec![("bad", bad.clone()), ("good", good.clone())]);
        let before = handler.calls().iter().filter(|call| *call == "bad/1").count();
        until("it is handled or given up", async || {
            let calls = handler.calls().iter().filter(|call| *call == "bad/1").count();
            calls > before || worker.feed.log.settled().contains(&acked("bad"))
        })
        .await;
        if worker.feed.log.settled().contains(&acked("bad")) {
            worker.feed.log.until(&[acked("good")]).await;
            break;
        }
        worker.kill().await;
    }
    // The first crash finds nobody suspecting it; each of the others leaves a mark.
    assert_eq!(run, 5);
    let dead =
        DeadLetters::list(&storage.failures(), &DeadLetterFilter::default(), None, 10).await.expect("a list").items;
    assert_eq!((dead.len(), dead[0].death.reason), (1, DeathReason::Crashed));
    assert!(dead[0].death.failures.error.contains("3 times"), "{:?}", dead[0]);
    assert_eq!(effects(&storage), ["deadly:good/1"]);
}

#[tokio::test(start_paused = true)]
async fn kills_from_outside_blame_nobody() {
    let storage = FakeStorage::new();
    let handler = Doer::doing("slow", |_, _| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(())
        })
    });
    let events: Vec<_> = (0..40).map(|n| happened(&format!("k{n}"), 1)).collect();
    for run in 1..=30 {
        let worker = worker(&storage, &handler, run).await;
        worker.feed.deliver(events.iter().map(|event| ("event", event.clone())).collect());
        tokio::time::sleep(Duration::from_millis(u64::from(fastrand::u8(20..250)))).await;
        worker.kill().await;
    }
    let last = worker(&storage, &handler, 99).await;
    last.feed.deliver(events.iter().map(|event| ("event", event.clone())).collect());
    until("all are taken", async || effects(&storage).len() == events.len()).await;
    assert_eq!(storage.failures().count(&DeadLetterFilter::default()).await.expect("a count"), 0);
}

#[tokio::test(start_paused = true)]
async fn marks_made_in_vain_blame_nobody() {
    let storage = FakeStorage::new();
    let handler = failing(3);
    let worker = worker(&storage, &handler, 1).await;
    // Once parked, each attempt counts twice, marks and erases. Marks are made and erased again and again, and the answers are lost.
    let count = || [Behaviour::Normal, Behaviour::Normal];
    let lost = || Behaviour::Lost { committed: true };
    let in_vain = (0..6).flat_map(|_| count().into_iter().chain([lost()]));
    let not_erased = count().into_iter().chain([Behaviour::Normal, Behaviour::Lost { committed: false }]);
    storage.script(Point::CrashMark, in_vain.chain(not_erased));
    worker.feed.deliver(vec![("a1", happened("a", 1))]);
    until("it is taken, or given up", async || {
        let dead = storage.failures().count(&DeadLetterFilter::default()).await.expect("a count");
        dead > 0 || !effects(&storage).is_empty()
    })
    .await;
    assert_eq!(effects(&storage), ["fails:a/1"]);
}

#[tokio::test(start_paused = true)]
async fn marks_that_could_not_be_erased_blame_nobody() {
    let storage = FakeStorage::new();
    let handler = failing(7);
    let policy = FailurePolicy { attempts: 20, ..POLICY };
    let differences = Differences { policy, ..Differences::default() };
    let worker = run_guarded(&storage, &[&handler], differences, Some(&guard(&storage, 1).await));
    let kept = [Behaviour::Normal, Behaviour::Normal, Behaviour::Normal, Behaviour::Lost { committed: false }];
    storage.script(Point::CrashMark, (0..3).flat_map(|_| kept.clone()));
    worker.feed.deliver(vec![("a1", happened("a", 1))]);
    until("it is taken, or given up", async || {
        let dead = storage.failures().count(&DeadLetterFilter::default()).await.expect("a count");
        dead > 0 || !effects(&storage).is_empty()
    })
    .await;
    assert_eq!(effects(&storage), ["fails:a/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_not_cautious_for_long_however_little_comes() {
    let storage = FakeStorage::new();
    let _killed = guard(&storage, 1).await;
    let second = guard(&storage, 2).await;
    assert!(second.is_cautious());
    tokio::time::advance(Duration::from_secs(30)).await;
    assert!(!second.is_cautious());
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_keeps_nobody_waiting_in_a_cautious_run() {
    let storage = FakeStorage::new();
    let _killed = guard(&storage, 1).await;
    let handler = deadly("slow");
    let worker = worker(&storage, &handler, 2).await;
    let begun = Instant::now();
    worker.feed.deliver(vec![("slow", happened("slow", 1))]);
    until("it is tried", async || !handler.calls().is_empty()).await;
    worker.feed.deliver(vec![("quick", happened("quick", 1))]);
    worker.feed.log.until(&[acked("quick")]).await;
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(1), "it is alone at first: {waited:?}");
    assert!(waited < POLICY.time_limit, "it keeps others waiting: {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_stop_has_cut_off_is_not_marked_afterwards() {
    let storage = FakeStorage::new();
    let _killed = guard(&storage, 1).await;
    let (handler, event) = (deadly("slow"), happened("slow", 1));
    let policy = FailurePolicy { time_limit: Duration::from_secs(3_600), ..POLICY };
    let guard = guard(&storage, 2).await;
    let differences = Differences { policy, ..Differences::default() };
    let worker = run_guarded(&storage, &[&handler], differences, Some(&guard));
    worker.feed.deliver(vec![("slow", event.clone())]);
    until("it is tried", async || !handler.calls().is_empty()).await;
    let marks = async || storage.failures().left("deadly", event.id).await.expect("a count");
    assert_eq!(marks().await, 1);
    worker.stop.cancel();
    worker.task.await.expect("it stops");
    guard.end().await.expect("it is noted");
    assert_eq!(marks().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_in_order_leaves_the_next_confident() {
    let storage = FakeStorage::new();
    let first = guard(&storage, 1).await;
    assert!(!first.is_cautious());
    first.end().await.expect("it is noted");
    assert!(!guard(&storage, 2).await.is_cautious());
    // The second did not end in order.
    assert!(guard(&storage, 3).await.is_cautious());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_beside_is_no_reason_for_caution_for_long() {
    let storage = FakeStorage::new();
    let first = guard(&storage, 1).await;
    let second = guard(&storage, 2).await;
    assert!(second.is_cautious(), "it cannot know yet");
    first.keep().await.expect("it is noted");
    second.keep().await.expect("it is noted");
    assert!(!second.is_cautious());
}

#[tokio::test(start_paused = true)]
async fn what_ended_early_is_dealt_with_after_a_while_and_its_notes_go() {
    let storage = FakeStorage::new();
    let _killed = guard(&storage, 1).await;
    let second = guard(&storage, 2).await;
    let handler = Doer::new("one");
    let worker = run_guarded(&storage, &[&handler], Differences::default(), Some(&second));
    worker.feed.deliver(vec![("a1", happened("a", 1))]);
    worker.feed.log.until(&[acked("a1")]).await;
    assert!(!second.is_cautious(), "its window has passed");
    let runs = async || storage.failures().runs("group").await.expect("a list").len();
    second.keep().await.expect("it is noted");
    assert_eq!(runs().await, 2, "not yet");
    tokio::time::advance(Duration::from_secs(601)).await;
    second.keep().await.expect("it is noted");
    assert_eq!(storage.failures().runs("group").await.expect("a list")[0].0, Uuid::from_u128(2));
    assert_eq!(runs().await, 1);
}
