//! What has to hold at the end of a run.

use std::collections::BTreeMap;

use activelog_application::ports::{
    AfterDeadLetter, DeadLetter, DeadLetterFilter, DeadLetters, DeathReason, Failures, Journal, JournalCursor,
    OutboxStore, ParkedEvent, ParkedFilter, ParkingStore,
};
use activelog_domain::event::EventEnvelope;

use crate::{
    handler::{ECHO, Effect, End, NAMES, Plan},
    ledger::{Address, Fate, address, source},
    world::World,
};

const ALL: u32 = 500;

async fn parked(world: &World) -> Vec<ParkedEvent> {
    let failures = world.storage.failures();
    let page = ParkingStore::list(&failures, &ParkedFilter::default(), None, ALL).await.expect("a list");
    assert!(page.next.is_none(), "a run is small");
    page.items
}

async fn dead(world: &World) -> Vec<DeadLetter> {
    let failures = world.storage.failures();
    let page = DeadLetters::list(&failures, &DeadLetterFilter::default(), None, ALL).await.expect("a list");
    assert!(page.next.is_none(), "a run is small");
    page.items
}

/// Whether nothing is left to be done without an operator.
pub(crate) async fn is_drained(world: &World) -> bool {
    if !world.broker.all_acked() || world.outbox.depth().await.expect("a depth").events > 0 {
        return false;
    }
    let parked = parked(world).await;
    if parked.is_empty() {
        return true;
    }
    let holding: Vec<Address> =
        dead(world).await.iter().filter(|letter| letter.holds).map(|letter| address(&letter.addressed)).collect();
    parked.iter().map(|parked| address(&parked.addressed)).all(|(handler, key, sequence)| {
        holding.iter().any(|(of, at, before)| *of == handler && *at == key && *before < sequence)
    })
}

/// Compares what came of the events with what was recorded, and how the handlers take them.
pub(crate) async fn judge(world: &World, recorded: &[EventEnvelope]) -> Result<(), String> {
    let entries = world.ledger.entries();
    let lanes = expected(recorded, &entries);
    let parked = parked(world).await;
    let mut waiting: Vec<Address> = parked.iter().map(|event| address(&event.addressed)).collect();
    waiting.sort();
    let mut left = Vec::new();
    for ((handler, key), sequences) in &lanes {
        let of_lane = |at: &Address| at.0 == *handler && at.1 == *key;
        let fates: Vec<(u64, Fate)> =
            entries.iter().filter(|(at, _)| of_lane(at)).map(|(at, fate)| (at.2, *fate)).collect();
        let held = in_order(sequences, &fates, world.policy.after_dead_letter)
            .map_err(|wrong| format!("{handler} of {key}: {wrong}; expected {sequences:?}, found {fates:?}"))?;
        left.extend(held.iter().map(|sequence| (handler.clone(), key.clone(), *sequence)));
    }
    left.sort();
    if waiting != left {
        return Err(format!("parked are {waiting:?}, not {left:?}"));
    }
    agrees(world, &entries).await?;
    published(world, recorded, &entries).await?;
    let plans = world.plans();
    for letter in dead(world).await {
        deserved(world, &plans, &letter)?;
    }
    for event in parked {
        if let Some(failures) = &event.failures {
            counted(world, &plans, &address(&event.addressed), failures)?;
        }
    }
    Ok(())
}

/// What every handler is to take of every key, in order.
fn expected(recorded: &[EventEnvelope], entries: &[(Address, Fate)]) -> BTreeMap<(String, String), Vec<u64>> {
    let mut lanes: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for (key, sequence) in recorded.iter().map(source) {
        for handler in NAMES {
            lanes.entry((handler.to_owned(), key.clone())).or_default().push(sequence);
        }
    }
    for ((handler, key, sequence), _) in
        entries.iter().filter(|((handler, ..), fate)| handler == NAMES[0] && *fate == Fate::Taken)
    {
        lanes.entry((ECHO.to_owned(), format!("{handler}:{key}"))).or_default().push(*sequence);
    }
    lanes
}

/// Whether a lane's events met their fates one after the other. Answers those that wait behind one that holds it.
fn in_order<'a>(
    sequences: &'a [u64],
    fates: &[(u64, Fate)],
    after: AfterDeadLetter,
) -> Result<&'a [u64], &'static str> {
    let (settled, left) = sequences.split_at_checked(fates.len()).ok_or("too much happened")?;
    if !settled.iter().eq(fates.iter().map(|(sequence, _)| sequence)) {
        return Err("twice, out of order, or past a gap");
    }
    let death = fates.iter().position(|(_, fate)| *fate == Fate::Dead);
    match (after, death) {
        (AfterDeadLetter::Hold, Some(at)) if at + 1 < fates.len() => Err("it went on behind a dead letter"),
        (AfterDeadLetter::Hold, Some(_)) => Ok(left),
        _ if left.is_empty() => Ok(left),
        _ => Err("something is missing"),
    }
}

/// Whether the storage has what happened, and nothing else.
async fn agrees(world: &World, entries: &[(Address, Fate)]) -> Result<(), String> {
    let effects = world.storage.committed().events;
    let effects = effects.iter().map(|event| event.open::<Effect>().expect("an effect"));
    let stored: Vec<Address> = effects.map(|effect| (effect.handler, effect.key, effect.sequence)).collect();
    let taken: Vec<Address> =
        entries.iter().filter(|(_, fate)| *fate == Fate::Taken).map(|(at, _)| at.clone()).collect();
    if stored == taken { Ok(()) } else { Err(format!("stored are {stored:?}, and {taken:?} happened")) }
}

/// Whether the journal has every event once, each key's in order.
async fn published(world: &World, recorded: &[EventEnvelope], entries: &[(Address, Fate)]) -> Result<(), String> {
    let mut wanted: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (key, sequence) in recorded.iter().map(source) {
        wanted.entry(key).or_default().push(sequence);
    }
    for ((handler, key), sequences) in expected(recorded, entries).into_iter().filter(|((of, _), _)| of == ECHO) {
        debug_assert_eq!(handler, ECHO);
        wanted.insert(key, sequences);
    }
    let journal = world.outbox.read_all(&JournalCursor::default(), ALL).await.expect("a journal");
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (key, sequence) in journal.iter().map(|entry| source(&entry.event)) {
        found.entry(key).or_default().push(sequence);
    }
    if found == wanted { Ok(()) } else { Err(format!("the journal has {found:?}, not {wanted:?}")) }
}

/// Whether an event became a dead letter for a reason that its handler gave.
fn deserved(world: &World, plans: &BTreeMap<Address, Plan>, letter: &DeadLetter) -> Result<(), String> {
    let (address, failures) = (address(&letter.addressed), &letter.death.failures);
    let end = plans.get(&address).map_or(End::Takes, |plan| plan.end);
    let fits = match letter.death.reason {
        DeathReason::Permanent => end == End::Refuses,
        DeathReason::Exhausted => failures.attempts >= world.policy.attempts,
        DeathReason::Crashed => end == End::Aborts,
        DeathReason::Undecodable => false,
    };
    if !fits {
        return Err(format!("{address:?} died of {:?}: {:?}", letter.death, plans.get(&address)));
    }
    // What it died of at last was no attempt if it was not given to its handler.
    let given = match letter.death.reason {
        DeathReason::Crashed => Failures { attempts: failures.attempts - 1, ..failures.clone() },
        _ => failures.clone(),
    };
    counted(world, plans, &address, &given)
}

/// Whether no more failures were counted than its handler has made. One that had the event while its process was frozen may have run out of time.
fn counted(
    world: &World,
    plans: &BTreeMap<Address, Plan>,
    address: &Address,
    failures: &Failures,
) -> Result<(), String> {
    let (failed, given) = plans.get(address).map_or((0, 0), |plan| (plan.failed(), plan.given));
    if failures.attempts as usize <= given.min(failed + world.freezes()) {
        return Ok(());
    }
    Err(format!("{address:?} was given {given} times and failed {failed} times, and {failures:?} were counted"))
}
