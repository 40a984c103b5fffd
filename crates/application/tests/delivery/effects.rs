//! Handlers with effects outside of the database: performed outside of any transaction, recorded once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    delivery::{EffectHandler, HandlerError, Policies, Received, Router},
    orchestrator::Step,
    testing::{Behaviour, FakeStorage, Point},
};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    setting::{Differences, Effect, Happened, POLICY, Running, Tx, effects, happened, orchestrator, run_routes, until},
    stream::acked,
};

/// Sends, and notes what was sent.
#[derive(Default)]
struct Sender {
    performed: Mutex<Vec<(String, u64)>>,
    failing: Mutex<u32>,
}

#[async_trait]
impl EffectHandler<Happened, Tx> for Sender {
    type Effect = String;

    fn name(&self) -> &'static str {
        "sender"
    }

    async fn perform(&self, received: &Received<'_, Happened>) -> Result<String, HandlerError> {
        let event = &received.event;
        self.performed.lock().expect("not poisoned").push((event.key.clone(), event.sequence));
        if event.key == "hanging" && self.performed.lock().expect("not poisoned").len() == 1 {
            std::future::pending::<()>().await;
        }
        let mut failing = self.failing.lock().expect("not poisoned");
        if *failing > 0 {
            *failing -= 1;
            return Err(HandlerError::retry("no answer"));
        }
        Ok(format!("sent {}/{}", event.key, event.sequence))
    }

    async fn record(
        &self,
        _: &Received<'_, Happened>,
        effect: &String,
        step: &mut Step<'_, Tx>,
    ) -> Result<(), HandlerError> {
        step.record(&Effect { what: effect.clone() })?;
        Ok(())
    }
}

fn run_sender(storage: &Arc<FakeStorage>, sender: &Arc<Sender>) -> Running {
    let orchestrator = orchestrator(storage);
    let router = Router::new(orchestrator.clone()).policies(Policies::new(POLICY));
    let routes = router.on_effect::<Happened>(sender.clone()).build().expect("routes that work");
    run_routes(storage, &routes, Differences::default(), orchestrator, CancellationToken::new())
}

#[tokio::test(start_paused = true)]
async fn it_is_performed_once_and_recorded_with_the_inbox() {
    let (storage, sender) = (FakeStorage::new(), Arc::new(Sender::default()));
    let running = run_sender(&storage, &sender);
    let event = happened("a", 1);
    running.feed.deliver(vec![("first", event.clone()), ("second", event.clone())]);
    running.feed.log.until(&[acked("first"), acked("second")]).await;
    assert_eq!(sender.performed.lock().expect("not poisoned").len(), 1, "the second is known before it is performed");
    assert_eq!(effects(&storage), ["sent a/1"]);
    assert_eq!(storage.committed().inbox.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn contention_while_recording_does_not_perform_it_again() {
    let (storage, sender) = (FakeStorage::new(), Arc::new(Sender::default()));
    let fail = Behaviour::Fail(activelog_application::ports::StorageErrorKind::Contention);
    storage.script(Point::Commit, [fail.clone(), fail]);
    let running = run_sender(&storage, &sender);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    running.feed.log.until(&[acked("a1")]).await;
    assert_eq!(sender.performed.lock().expect("not poisoned").len(), 1);
    assert_eq!(effects(&storage), ["sent a/1"]);
}

#[tokio::test(start_paused = true)]
async fn failures_are_parked_and_performed_again_in_order() {
    let (storage, sender) = (FakeStorage::new(), Arc::new(Sender::default()));
    *sender.failing.lock().expect("not poisoned") = 5;
    let running = run_sender(&storage, &sender);
    running.feed.deliver(vec![("a1", happened("a", 1)), ("a2", happened("a", 2))]);
    running.feed.log.until(&[acked("a1"), acked("a2")]).await;
    until("both are sent", async || effects(&storage).len() == 2).await;
    assert_eq!(effects(&storage), ["sent a/1", "sent a/2"]);
    assert_eq!(running.parked().await, 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_never_answers_is_cut_off() {
    let (storage, sender) = (FakeStorage::new(), Arc::new(Sender::default()));
    let running = run_sender(&storage, &sender);
    let started = tokio::time::Instant::now();
    running.feed.deliver(vec![("h1", happened("hanging", 1))]);
    running.feed.log.until(&[acked("h1")]).await;
    assert!(started.elapsed() >= POLICY.time_limit && started.elapsed() < POLICY.time_limit + Duration::from_secs(1));
    assert_eq!(effects(&storage), ["sent hanging/1"]);
}
