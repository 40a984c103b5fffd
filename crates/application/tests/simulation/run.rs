//! One run: events, workers, crashes; then everything heals, and is looked at.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    ports::{AfterDeadLetter, Clock, IdGenerator},
    testing::{FakeStorage, SequentialIds, TokioClock},
};
use activelog_domain::event::{EventEnvelope, EventMetadata};

use crate::{
    broker::Broker,
    chance::Chance,
    handler::{Happened, NAMES, Plan, Plans},
    oracle,
    storage::Shaky,
    worker::{Worker, World, policy},
};

/// What is wrong with the program, to see whether it is noticed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Defect {
    None,
    AckFirst,
    NoInbox,
    NoBehind,
}

/// Runs one seed. Fails with what was found wrong.
pub(crate) fn run(seed: u64, defect: Defect) -> Result<(), String> {
    fastrand::seed(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(simulate(seed, defect))
}

async fn simulate(seed: u64, defect: Defect) -> Result<(), String> {
    let chance = Arc::new(Chance::new(seed));
    let after = if chance.below(2) == 0 { AfterDeadLetter::Hold } else { AfterDeadLetter::Continue };
    let world = World {
        storage: Shaky { inner: FakeStorage::new(), chance: chance.clone(), defect },
        broker: Broker::new(chance.clone(), defect == Defect::AckFirst),
        plans: Arc::new(Mutex::new(Plans::new())),
        clock: Arc::new(TokioClock::default()),
        ids: Arc::new(SequentialIds::default()),
        policy: policy(after),
        chance,
    };
    let mut workers = Vec::new();
    for _ in 0..1 + world.chance.below(3) {
        workers.push(Worker::start(&world).await);
    }
    for event in events(&world) {
        world.broker.publish(event);
        tokio::time::sleep(Duration::from_millis(world.chance.below(10))).await;
    }
    for _ in 0..world.chance.below(5) {
        tokio::time::sleep(Duration::from_millis(world.chance.below(250))).await;
        let chosen = usize::try_from(world.chance.below(workers.len() as u64)).expect("small");
        let worker = workers.swap_remove(chosen);
        match world.chance.below(4) {
            0 => worker.stop().await,
            _ => worker.kill().await,
        }
        tokio::time::sleep(Duration::from_millis(world.chance.below(50))).await;
        workers.push(Worker::start(&world).await);
    }
    world.chance.calm_down();
    let drained = tokio::time::timeout(Duration::from_secs(120), async {
        while !oracle::is_drained(&world).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let in_time = drained.await.is_ok();
    for worker in workers {
        worker.stop().await;
    }
    if in_time { oracle::judge(&world).await } else { Err("it never came to rest".to_owned()) }
}

/// The events of a run, each key's in order, and how the handlers take them.
fn events(world: &World) -> Vec<EventEnvelope> {
    let mut left: Vec<(String, u64, u64)> =
        (0..2 + world.chance.below(3)).map(|key| (format!("k{key}"), 0, 2 + world.chance.below(4))).collect();
    let mut events = Vec::new();
    while !left.is_empty() {
        let chosen = usize::try_from(world.chance.below(left.len() as u64)).expect("small");
        let (key, last, count) = &mut left[chosen];
        *last += 1;
        let event = Happened { key: key.clone(), sequence: *last };
        if last == count {
            left.swap_remove(chosen);
        }
        let mut plans = world.plans.lock().expect("not poisoned");
        for name in NAMES {
            plans.insert((name, event.key.clone(), event.sequence), Plan::by(&world.chance));
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
