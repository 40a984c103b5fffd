use activelog_application::{
    delivery::{ReplayError, ReplayRange},
    ports::Replays,
};
use tokio_util::sync::CancellationToken;

use crate::setting::{HANDLERS, World};

#[tokio::test(start_paused = true)]
async fn spoilt_projections_are_what_the_events_say_afterwards() {
    let world = World::with_a_past().await;
    let told = world.notifications().await;
    world.spoil().await;
    let events = world.store.outbox().len() as u64;
    for handler in HANDLERS {
        let done = world.replayer().run(handler, ReplayRange::default(), &CancellationToken::new(), |_| ()).await;
        let done = done.expect("a replay");
        assert!(done.cleared > 0, "{handler}: {done:?}");
        assert_eq!((done.read, done.given), (events, events), "{handler}");
    }
    world.matches().await.expect("projections that match");
    assert_eq!(world.notifications().await, told, "nobody is told of an achievement twice");
    assert_eq!(world.store.failures().list().await.expect("replays"), []);
}

#[tokio::test(start_paused = true)]
async fn replaying_what_is_right_changes_nothing() {
    let mut world = World::with_a_past().await;
    let told = world.notifications().await;
    for handler in HANDLERS.iter().chain(&HANDLERS) {
        let replayer = world.replayer();
        replayer.run(handler, ReplayRange::default(), &CancellationToken::new(), |_| ()).await.expect("a replay");
        world.matches().await.expect("projections that match");
    }
    assert_eq!(world.notifications().await, told);
    // Nothing is left behind that would keep later events from being taken.
    world.create(crate::setting::USERS[0], 20).await;
    world.deliver().await;
    assert_eq!(world.parked().await, 0);
    world.matches().await.expect("projections that match");
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_had_not_taken_yet_is_told_once() {
    let mut world = World::new();
    world.create(crate::setting::USERS[0], 1).await;
    let (before, published) = (world.notifications().await, world.publish().await);
    let done = world.replayer().run("achievements", ReplayRange::default(), &CancellationToken::new(), |_| ()).await;
    assert_eq!(done.expect("a replay").given, 1);
    assert_eq!(world.notifications().await, before + 2, "the first activity and the longest run");
    world.hand_over(published).await;
    assert_eq!(world.notifications().await, before + 2);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_handler_is_told_which_there_are() {
    let world = World::new();
    let replayed = world.replayer().run("statistics", ReplayRange::default(), &CancellationToken::new(), |_| ()).await;
    let error = replayed.expect_err("there is none of this name");
    assert!(matches!(error, ReplayError::UnknownHandler { .. }) && error.is_refusal(), "{error:?}");
    assert!(error.to_string().contains("achievements, leaderboard, period-statistics"), "{error}");
    assert_eq!(world.store.failures().list().await.expect("replays"), []);
}
