//! A handler that blocks its thread cannot be cut off, so somebody is told of it.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use activelog_application::{
    delivery::{FailurePolicy, Policies, Router, Watchdog},
    testing::FakeStorage,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    setting::{Differences, Doer, Happened, POLICY, happened, orchestrator, run_routes},
    stream::acked,
};

/// A gate of the standard library, which holds the thread that waits at it.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn wait(&self) {
        let open = self.open.lock().expect("not poisoned");
        drop(self.opened.wait_while(open, |open| !*open).expect("not poisoned"));
    }

    fn open(&self) {
        *self.open.lock().expect("not poisoned") = true;
        self.opened.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_blocks_its_thread_is_told_of_and_others_are_not() {
    let (storage, gate) = (FakeStorage::new(), Arc::new(Gate::default()));
    let held = gate.clone();
    let handler = Doer::doing("blocker", move |event, _| {
        let held = held.clone();
        Box::pin(async move {
            match event.key.as_str() {
                "blocks" => held.wait(),
                // For much longer than the limit in all, and never within one poll.
                _ => {
                    for _ in 0..100 {
                        tokio::task::yield_now().await;
                    }
                }
            }
            Ok(())
        })
    });
    let limit = Duration::from_millis(200);
    let (told, mut barks) = mpsc::unbounded_channel();
    let watchdog = Watchdog::start(Duration::from_millis(50), move |blocked| {
        let _ = told.send(blocked);
    });
    let (orchestrator, stop) = (orchestrator(&storage), CancellationToken::new());
    let router = Router::new(orchestrator.clone())
        .policies(Policies::new(FailurePolicy { time_limit: limit, ..POLICY }))
        .watchdog(watchdog.expect("a thread"));
    let routes = router.on::<Happened>(handler).build().expect("routes that work");
    let running = run_routes(&storage, &routes, Differences::default(), orchestrator, stop);
    let (bad, good) = (happened("blocks", 1), happened("flows", 1));
    running.feed.deliver(vec![("bad", bad.clone()), ("good", good)]);
    running.feed.log.until(&[acked("good")]).await;

    let blocked = barks.recv().await.expect("it is told of");
    assert_eq!((blocked.handler, blocked.event, blocked.limit), ("blocker", bad.id, limit));
    assert!(blocked.time > limit, "{blocked:?}");
    gate.open();
    running.feed.log.until(&[acked("bad"), acked("good")]).await;
    assert!(barks.try_recv().is_err(), "it is told of once, and nobody else is");
}
