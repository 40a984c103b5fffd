//! Which handlers an event goes to.

use activelog_application::{
    delivery::{Router, RouterError},
    testing::FakeStorage,
};
use activelog_domain::event::{DomainEvent, EventEnvelope};

use crate::{
    setting::{Doer, Effect, Happened, Tx, effects, happened, orchestrator, run},
    stream::acked,
};

#[tokio::test]
async fn routes_that_cannot_work_are_refused() {
    let storage = FakeStorage::new();
    assert_eq!(Router::<Tx>::new(orchestrator(&storage)).build().err(), Some(RouterError::Empty));
    let router =
        Router::new(orchestrator(&storage)).on::<Happened>(Doer::new("twin")).on::<Happened>(Doer::new("twin"));
    let duplicate = RouterError::Duplicate { event: Happened::NAME, handler: "twin" };
    assert_eq!(router.build().err(), Some(duplicate));
}

#[tokio::test]
async fn a_subscription_asks_for_what_has_handlers() {
    let storage = FakeStorage::new();
    let router = Router::new(orchestrator(&storage)).on::<Happened>(Doer::new("one")).on::<Happened>(Doer::new("two"));
    let routes = router.build().expect("routes that work");
    let patterns: Vec<String> = routes.patterns().iter().map(ToString::to_string).collect();
    assert_eq!(patterns, [Happened::NAME]);
    assert_eq!(routes.handlers(Happened::NAME).len(), 2);
    assert!(routes.handlers(Effect::NAME).is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_handler_of_an_event_takes_it_once() {
    let storage = FakeStorage::new();
    let (one, two, three) = (Doer::new("one"), Doer::new("two"), Doer::new("three"));
    let running = run(&storage, &[&one, &two, &three]);
    running.feed.deliver(vec![("a1", happened("a", 1))]);
    running.feed.log.until(&[acked("a1")]).await;
    let mut done = effects(&storage);
    done.sort();
    assert_eq!(done, ["one:a/1", "three:a/1", "two:a/1"]);
    assert_eq!(storage.tally().committed, 3, "each in a transaction of its own");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_nobody_wants_is_acknowledged() {
    let storage = FakeStorage::new();
    let running = run(&storage, &[&Doer::new("one")]);
    let unwanted = EventEnvelope { name: "thing.forgotten".into(), ..happened("a", 1) };
    running.feed.deliver(vec![("a1", unwanted)]);
    running.feed.log.until(&[acked("a1")]).await;
    assert_eq!(storage.tally().begun, 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_records_carries_the_event_as_its_cause() {
    let storage = FakeStorage::new();
    let running = run(&storage, &[&Doer::new("one")]);
    let event = happened("a", 1);
    running.feed.deliver(vec![("a1", event.clone())]);
    running.feed.log.until(&[acked("a1")]).await;
    let effect = &storage.committed().events[0];
    assert_eq!((effect.correlation_id, effect.causation_id), (event.correlation_id, Some(event.id)));
}
