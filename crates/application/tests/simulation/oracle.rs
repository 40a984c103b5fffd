//! What has to hold at the end of a run.

use std::collections::{BTreeMap, BTreeSet};

use activelog_application::ports::{
    DeadLetter, DeadLetterFilter, DeadLetters, DeathReason, ParkedFilter, ParkingStore,
};

use crate::{
    handler::{Effect, Happened, Plan},
    worker::World,
};

type Address = (String, String, u64);

/// Everything of the storage that is looked at.
struct Found {
    effects: Vec<Address>,
    parked: Vec<Address>,
    dead: BTreeMap<Address, DeadLetter>,
}

async fn found(world: &World) -> Found {
    let failures = world.storage.inner.failures();
    let address = |handler: &str, event: Happened| (handler.to_owned(), event.key, event.sequence);
    let parked = ParkingStore::list(&failures, &ParkedFilter::default(), None, 500).await.expect("a list").items;
    let parked =
        parked.into_iter().map(|one| address(&one.addressed.handler, one.addressed.event.open().expect("an event")));
    let dead = DeadLetters::list(&failures, &DeadLetterFilter::default(), None, 500).await.expect("a list").items;
    let dead = dead
        .into_iter()
        .map(|letter| (address(&letter.addressed.handler, letter.addressed.event.open().expect("an event")), letter));
    let effects = world.storage.inner.committed().events;
    let effects = effects.iter().map(|event| {
        let effect = event.open::<Effect>().expect("an effect");
        (effect.handler, effect.key, effect.sequence)
    });
    Found { effects: effects.collect(), parked: parked.collect(), dead: dead.collect() }
}

impl Found {
    /// Whether an event waits behind a dead letter that holds its lane.
    fn is_held(&self, (handler, key, sequence): &Address) -> bool {
        self.dead
            .iter()
            .any(|((of, at, before), letter)| letter.holds && of == handler && at == key && before < sequence)
    }
}

/// Whether nothing is left to be done without an operator.
pub(crate) async fn is_drained(world: &World) -> bool {
    if !world.broker.all_acked() {
        return false;
    }
    let found = found(world).await;
    found.parked.iter().all(|address| found.is_held(address))
}

/// Compares what came of the events with how the handlers take them.
pub(crate) async fn judge(world: &World) -> Result<(), String> {
    let found = found(world).await;
    let mut last: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (handler, key, sequence) in &found.effects {
        let before = last.insert((handler, key), *sequence).unwrap_or(0);
        if before >= *sequence {
            return Err(format!("{handler} took {key}/{sequence} after {key}/{before}"));
        }
    }
    let effects: BTreeSet<&Address> = found.effects.iter().collect();
    let plans = world.plans.lock().expect("not poisoned").clone();
    for ((handler, key, sequence), plan) in plans {
        let address = (handler.to_owned(), key, sequence);
        let states = [effects.contains(&address), found.dead.contains_key(&address), found.parked.contains(&address)];
        if states.iter().filter(|there| **there).count() != 1 {
            return Err(format!("{address:?}: [taken, dead, parked] is {states:?}"));
        }
        if let Some(letter) = found.dead.get(&address) {
            deserved(&address, &plan, letter, world.policy.attempts)?;
        }
        if states[0] && plan.refuses {
            return Err(format!("{address:?} was refused, and taken"));
        }
        if states[2] && !found.is_held(&address) {
            return Err(format!("{address:?} is parked behind nothing"));
        }
    }
    Ok(())
}

/// Whether an event became a dead letter for a reason that its handler gave.
fn deserved(address: &Address, plan: &Plan, letter: &DeadLetter, attempts: u32) -> Result<(), String> {
    let failed = letter.death.failures.attempts;
    let fits = match letter.death.reason {
        DeathReason::Permanent => plan.refuses,
        DeathReason::Exhausted => failed >= attempts && plan.failures.len() >= attempts as usize,
        DeathReason::Undecodable | DeathReason::Crashed => false,
    };
    if fits { Ok(()) } else { Err(format!("{address:?} died of {:?} after {failed} failures: {plan:?}", letter.death)) }
}
