//! One run: events, processes, crashes; then everything heals, and is looked at.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use activelog_domain::event::{EventEnvelope, EventMetadata};
use futures::FutureExt;
use tokio::time::sleep;

use crate::{
    handler::Happened,
    oracle,
    slot::{Order, Role, Slot},
    world::World,
};

/// What is wrong with the program, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Defect {
    None,
    /// Deliveries are acknowledged before their effects are committed.
    AckFirst,
    /// Handlers take events without a look at the inbox.
    NoInbox,
    /// Events do not wait behind parked ones of their key.
    NoBehind,
    /// Crash marks are not looked at.
    NoMarks,
    /// Events leave the outbox before the broker has taken them.
    CompleteFirst,
}

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) verdict: Result<(), String>,
    /// Every step, if it was to be kept.
    pub(crate) trace: Vec<String>,
}

/// How long everything may take to come to rest once nothing goes wrong any more.
const PATIENCE: Duration = Duration::from_secs(600);

/// More than all events of a run can cause that end their process as often as they may.
const CRASHES_MAX: u32 = 100;

/// Runs one seed.
pub(crate) fn run(seed: u64, defect: Defect, kept: bool) -> Outcome {
    // Jitter is drawn from the thread's own generator.
    fastrand::seed(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let kills = fastrand::u32(0..5);
        let world = World::new(seed, defect, kept, kills);
        let verdict = AssertUnwindSafe(simulate(&world, kills)).catch_unwind().await;
        let verdict = verdict.unwrap_or_else(|_| Err("it panicked; see above".to_owned()));
        Outcome { verdict, trace: world.trace.lines() }
    })
}

async fn simulate(world: &Arc<World>, kills: u32) -> Result<(), String> {
    let slots = |role, count| (0..count).map(|number| Slot::open(world, role, number)).collect::<Vec<_>>();
    let workers = slots(Role::Worker, 1 + world.chance.below(3));
    let relays = slots(Role::Relay, 1 + world.chance.below(2));
    let events = events(world);
    let recording = tokio::spawn(record(world.clone(), events.clone()));
    trouble(world, kills, &workers, &relays).await;
    recording.await.expect("it does not panic");
    world.chance.calm_down();
    world.trace.note("everything", || "heals".to_owned());
    let drained = tokio::time::timeout(PATIENCE, async {
        while !oracle::is_drained(world).await {
            if world.crashes() > CRASHES_MAX {
                return Err("handlers end the process again and again".to_owned());
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    });
    drained.await.unwrap_or_else(|_| Err("it never came to rest".to_owned()))?;
    for slot in workers.into_iter().chain(relays) {
        slot.end().await;
    }
    oracle::judge(world, &events).await
}

/// Everything that goes wrong from outside.
async fn trouble(world: &World, mut kills: u32, workers: &[Slot], relays: &[Slot]) {
    let chance = &world.chance;
    for _ in 0..chance.below(8) {
        sleep(Duration::from_millis(chance.below(250))).await;
        let (worker, relay) = (&workers[chance.index(workers.len())], &relays[chance.index(relays.len())]);
        // Past every lease and claim.
        let freeze = Order::Freeze(Duration::from_millis(100 + chance.below(4_000)));
        match chance.below(12) {
            0..4 if kills > 0 => {
                kills -= 1;
                worker.order(Order::Kill);
            }
            4 => worker.order(Order::Stop),
            5 => worker.order(freeze),
            6 | 7 => relay.order(Order::Kill),
            8 => relay.order(Order::Stop),
            9 => relay.order(freeze),
            10 => world.go_away(Duration::from_millis(chance.below(2_000))),
            _ => {}
        }
    }
}

/// Records events as those who make them do.
async fn record(world: Arc<World>, events: Vec<EventEnvelope>) {
    for event in events {
        world.trace.note("recorded", || format!("{}/{}", event.partition_key, event.sequence));
        world.outbox.record(&[event]);
        sleep(Duration::from_millis(world.chance.below(30))).await;
    }
}

/// The events of a run, each key's in order.
fn events(world: &World) -> Vec<EventEnvelope> {
    let mut left: Vec<(String, u64, u64)> =
        (0..2 + world.chance.below(2)).map(|key| (format!("k{key}"), 0, 1 + world.chance.below(4))).collect();
    let mut events = Vec::new();
    while !left.is_empty() {
        let chosen = world.chance.index(left.len());
        let (key, last, count) = &mut left[chosen];
        *last += 1;
        let event = Happened { key: key.clone(), sequence: *last };
        if last == count {
            left.swap_remove(chosen);
        }
        let metadata = EventMetadata {
            id: world.ids.next_id(),
            time: world.clock.now(),
            correlation_id: world.ids.next_id(),
            causation_id: None,
            trace: None,
        };
        events.push(EventEnvelope::seal(&event, metadata).expect("it encodes"));
    }
    events
}
