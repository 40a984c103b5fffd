//! What a failing handler does to its lane: quick attempts, outages, panics, the time limit.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    delivery::{
        ConsumerOptions, Entry, FailurePolicy, Handled, HandlerError, Invocation, InvocationError, Layer, Router,
    },
    ports::StorageErrorKind,
    testing::{Behaviour, FakeStorage, Gate, Point},
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    setting::{Differences, Doer, Happened, POLICY, effects, happened, idle, orchestrator, run, run_with, start},
    stream::{abandoned, acked},
};

/// Fails for one key until an attempt; all others succeed.
fn failing(key: &'static str, until: u32, error: fn() -> HandlerError) -> Arc<Doer> {
    Doer::doing("failing", move |event, attempt| {
        Box::pin(async move { if event.key == key && attempt < until { Err(error()) } else { Ok(()) } })
    })
}

fn not_yet() -> HandlerError {
    HandlerError::retry("not yet")
}

#[tokio::test(start_paused = true)]
async fn quick_pauses_double_with_jitter_and_later_events_of_the_key_wait() {
    let storage = FakeStorage::new();
    let handler = failing("a", 3, not_yet);
    let running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    running.feed.log.until(&[acked("a2")]).await;
    assert_eq!(handler.calls()[..3], ["a/1", "a/1", "a/1"]);
    let instants = handler.instants();
    for (attempt, pair) in instants[..3].windows(2).enumerate() {
        let most = POLICY.quick_pause * (1 << attempt);
        let pause = pair[1] - pair[0];
        // Timers are exact to the millisecond.
        assert!(pause >= most / 2 && pause <= most + Duration::from_millis(2), "{attempt}: {pause:?}");
    }
    assert_eq!(running.parked().await, 0);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_inbox_past_the_time_limit_is_no_attempt() {
    let storage = FakeStorage::new();
    // As when another worker that was frozen has the event in a transaction.
    let closed = Arc::new(Gate::new());
    storage.script(Point::Record, std::iter::repeat_n(Behaviour::Wait(closed), 4));
    let handler = Doer::new("one");
    let policy = FailurePolicy { attempts: 2, ..POLICY };
    let running = run_with(&storage, &[&handler], Differences { policy, ..Differences::default() });
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    running.feed.log.until(&[acked("a1")]).await;
    assert_eq!(effects(&storage), ["one:a/1"]);
    assert_eq!(handler.calls(), ["a/1"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out_without_counting_attempts() {
    let storage = FakeStorage::new();
    use StorageErrorKind::{Full, Unavailable};
    for (point, kind) in [(Point::Begin, Unavailable), (Point::Record, Unavailable), (Point::Commit, Full)] {
        storage.script(point, std::iter::repeat_n(Behaviour::Fail(kind), 30));
    }
    let handler = failing("a", 3, not_yet);
    let running = run(&storage, &[&handler]);
    let started = Instant::now();
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    while running.feed.log.settled().is_empty() {
        assert_eq!(running.parked().await, 0, "an outage is nobody's fault");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(effects(&storage), ["failing:a/1"]);
    assert!(started.elapsed() < Duration::from_secs(120), "pauses stay below a second");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_like_others() {
    let storage = FakeStorage::new();
    let handler = Doer::doing("panicking", |event, attempt| {
        Box::pin(async move {
            assert!(event.key != "a" || attempt > 2, "out of luck");
            Ok(())
        })
    });
    let running = run(&storage, &[&handler]);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("b1", happened("b", 1))]);
    running.feed.log.until(&[acked("a1"), acked("b1")]).await;
    assert_eq!(handler.calls().len(), 4);
    assert_eq!(effects(&storage), ["panicking:b/1", "panicking:a/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_returns_is_cut_off_by_the_timeout() {
    let storage = FakeStorage::new();
    let handler = Doer::doing("hanging", |_, attempt| {
        Box::pin(async move {
            if attempt == 1 {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    let running = run(&storage, &[&handler]);
    let started = Instant::now();
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    running.feed.log.until(&[acked("a1")]).await;
    assert!(started.elapsed() >= Duration::from_secs(5) && started.elapsed() < Duration::from_secs(6));
    assert_eq!(effects(&storage), ["hanging:a/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_pause_takes_no_part_of_the_bound_on_attempts() {
    let storage = FakeStorage::new();
    let handler = failing("a", u32::MAX, not_yet);
    let running = run_with(&storage, &[&handler], Differences { concurrency: 1, ..Differences::default() });
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    idle().await;
    assert_eq!(handler.calls(), ["a/1"], "in the pause after its first attempt");
    running.feed.deliver(vec![("b1", happened("b", 1))]);
    let started = Instant::now();
    running.feed.log.until(&[acked("b1")]).await;
    assert!(started.elapsed() < Duration::from_millis(10), "{:?}", started.elapsed());
}

/// Without a layer that tries again the broker has to, and later events must not overtake.
#[tokio::test(start_paused = true)]
async fn without_retries_a_failed_event_goes_back_with_all_behind_it() {
    let storage = FakeStorage::new();
    let handler = failing("a", 2, not_yet);
    let stop = CancellationToken::new();
    let orchestrator = orchestrator(&storage);
    let routes = Router::new(orchestrator.clone()).on::<Happened>(handler.clone()).build().expect("routes that work");
    let running = start(&storage, routes, ConsumerOptions::default(), stop, orchestrator);
    let (first, second) = (happened("a", 1), happened("a", 2));
    running.feed.deliver(vec![("a1", first.clone()), ("a2", second.clone())]);
    assert!(running.feed.log.given_back("a1").await > Duration::ZERO, "not in a loop without a pause");
    running.feed.log.until(&[abandoned("a2")]).await;
    running.feed.deliver(vec![("a1", first), ("a2", second)]);
    running.feed.log.until(&[acked("a1")]).await;
    assert_eq!(handler.calls()[..2], ["a/1", "a/1"], "the second event did not overtake");
}

/// A layer with a defect.
struct Defective;

struct DefectiveInvocation(Arc<dyn Invocation>);

impl Layer for Defective {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(DefectiveInvocation(inner))
    }
}

#[async_trait]
impl Invocation for DefectiveInvocation {
    fn handler(&self) -> &'static str {
        self.0.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.0.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        assert!(event.sequence != 1, "a defect in a layer");
        self.0.invoke(event, entry).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_layer_gives_the_event_back_and_leaves_the_key_usable() {
    let storage = FakeStorage::new();
    let stop = CancellationToken::new();
    let orchestrator = orchestrator(&storage);
    let router = Router::new(orchestrator.clone()).layer(Defective).on::<Happened>(Doer::new("one"));
    let routes = router.build().expect("routes that work");
    let running = start(&storage, routes, ConsumerOptions::default(), stop, orchestrator);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    assert!(running.feed.log.given_back("a1").await > Duration::ZERO, "not in a loop without a pause");
    // It may have been on its way when the other went back: once more, then.
    running.feed.deliver(vec![("early", happened("a", 2))]);
    running.feed.log.until(&[abandoned("early")]).await;
    running.feed.deliver(vec![("a2", happened("a", 2))]);
    running.feed.log.until(&[acked("a2")]).await;
}

/// Deliveries are taken in batches: those that are already here do not overtake what has just gone back.
#[tokio::test(start_paused = true)]
async fn what_was_taken_with_an_event_that_went_back_goes_back_too() {
    let storage = FakeStorage::new();
    let handler = failing("a", 2, not_yet);
    let (stop, orchestrator) = (CancellationToken::new(), orchestrator(&storage));
    let routes = Router::new(orchestrator.clone()).on::<Happened>(handler.clone()).build().expect("routes that work");
    let running = start(&storage, routes, ConsumerOptions::default(), stop, orchestrator);
    let (first, second) = (happened("a", 1), happened("a", 2));
    running.feed.deliver(vec![("a1", first.clone())]);
    running.feed.log.given_back("a1").await;
    running.feed.deliver(vec![("a2", second.clone()), ("b1", happened("b", 1))]);
    running.feed.log.until(&[abandoned("a2"), acked("b1")]).await;
    running.feed.deliver(vec![("a1", first), ("a2", second)]);
    running.feed.log.until(&[acked("a1")]).await;
    let calls = handler.calls();
    assert_eq!(calls[..3], ["a/1", "b/1", "a/1"], "the second event did not overtake");
}
