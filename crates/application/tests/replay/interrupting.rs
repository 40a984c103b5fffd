use activelog_application::{
    delivery::{Handled, ReplayError, ReplayState},
    ports::{Journal, ReplayProgress, Replays},
    testing::broker::event,
};
use tokio_util::sync::CancellationToken;

use crate::setting::{HANDLERS, USERS, World};

/// Replays until `enough`.
async fn interrupted(world: &World, handler: &str, enough: impl Fn(ReplayState) -> bool + Send + Sync) {
    let stop = CancellationToken::new();
    let replayer = world.replayer();
    let replayed = replayer.run(handler, (None, None), &stop, |state| {
        if enough(state) {
            stop.cancel();
        }
    });
    let error = replayed.await.expect_err("it is interrupted");
    assert!(matches!(error, ReplayError::Interrupted(_)), "{error:?}");
}

async fn resumed(world: &World, handler: &str) -> ReplayState {
    world.replayer().run(handler, (None, None), &CancellationToken::new(), |_| ()).await.expect("a replay")
}

/// What handlers do not take, so that the journal is read in several steps.
async fn fill(world: &World) {
    let events: Vec<_> = (1..=800).map(|n| event("something.else", "thing-1", n)).collect();
    world.journal.append(&events).await.expect("a journal");
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_replay_resumes_where_it_was() {
    let world = World::with_a_past().await;
    fill(&world).await;
    let (told, all) = (world.notifications().await, world.store.outbox().len() as u64 + 800);
    world.spoil().await;
    for handler in HANDLERS {
        interrupted(&world, handler, |state| state.cleared > 0).await;
        let begun = world.store.failures().list().await.expect("replays");
        assert_eq!(begun.iter().map(|replay| &replay.progress).collect::<Vec<_>>(), [&ReplayProgress::Clearing]);
        let read = std::sync::Mutex::new(0);
        interrupted(&world, handler, |state| {
            *read.lock().expect("not poisoned") = state.read;
            state.read > 0
        })
        .await;
        let read = *read.lock().expect("not poisoned");
        let done = resumed(&world, handler).await;
        assert_eq!((done.cleared, done.read), (0, all - read), "{handler}: it does not begin anew");
    }
    world.matches().await.expect("projections that match");
    assert_eq!(world.notifications().await, told);
}

#[tokio::test(start_paused = true)]
async fn what_arrives_meanwhile_is_parked_and_taken_in_order_afterwards() {
    for handler in HANDLERS {
        let mut world = World::with_a_past().await;
        world.spoil().await;
        interrupted(&world, handler, |state| state.cleared > 0).await;
        let [anna, bert] = USERS;
        let activity = world.create(anna, 20).await;
        world.lengthen(&activity).await;
        let gone = world.create(bert, 21).await;
        world.delete(&gone).await;
        let handled = world.deliver().await;
        assert_eq!(handled.len(), 4 * HANDLERS.len());
        for (by, handled) in handled {
            let expected = if by == handler { Handled::Parked } else { Handled::Committed };
            assert_eq!(handled, expected, "{by} during the replay of {handler}");
        }
        assert_eq!(world.parked().await, 4);
        resumed(&world, handler).await;
        world.take_parked().await;
        // The others are spoilt as they were.
        for other in HANDLERS.iter().filter(|other| **other != handler) {
            resumed(&world, other).await;
        }
        world.matches().await.expect("projections that match");
    }
}

#[tokio::test(start_paused = true)]
async fn two_replays_of_one_handler_do_it_once() {
    let world = World::with_a_past().await;
    let (first, second) = (world.replayer(), world.replayer());
    let stop = CancellationToken::new();
    let one = first.run(HANDLERS[0], (None, None), &stop, |_| ());
    let same = second.run(HANDLERS[0], (None, None), &stop, |_| ());
    let (one, same) = tokio::join!(one, same);
    one.expect("a replay");
    if let Err(error) = same {
        assert!(matches!(error, ReplayError::Running(_)), "{error:?}");
    }
    world.matches().await.expect("projections that match");
}
