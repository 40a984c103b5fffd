//! The journal against the ledger of effects, dead letters and what is parked.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Evidence, LedgerLine, Published, Verdict};

/// The handler that writes the ledger.
pub(crate) const LEDGER: &str = "fault-ledger";

/// The handlers of the application that take every event of an activity.
pub(crate) const PROJECTING: [&str; 3] = ["achievements", "leaderboard", "period-statistics"];

pub(super) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    let given_up = given_up(evidence, verdict);
    let mut lines: BTreeMap<Uuid, u32> = BTreeMap::new();
    for line in &evidence.ledger {
        *lines.entry(line.event_id).or_default() += 1;
    }
    for event in &evidence.journal {
        let found = lines.remove(&event.event_id).unwrap_or(0);
        let told = format!("event {} of {} ({:?})", event.sequence, event.subject, event.title);
        match (found, given_up.contains(&event.event_id)) {
            (0, true) | (1, false) => {}
            (0, false) => verdict.lost.push(format!("{told} has had no effect")),
            (_, true) => verdict.other.push(format!("{told} was given up on and has had its effect {found} times")),
            (_, false) => verdict.doubled.push(format!("{told} has had its effect {found} times")),
        }
    }
    verdict.other.extend(lines.keys().map(|id| format!("{id} has had an effect and is not in the journal")));
    order(evidence, verdict);
    let journalled = evidence.journal.len() as u64;
    for handler in PROJECTING {
        let taken = evidence.taken.iter().find(|(name, _)| name == handler).map_or(0, |(_, count)| *count);
        if taken != journalled {
            verdict.lost.push(format!("{handler} has taken {taken} of {journalled} events"));
        }
    }
}

/// The events that the ledger's handler was given up on or that are parked. They have to be those of activities that ask for it, no more and no less;
/// with every other handler, none.
fn given_up(evidence: &Evidence, verdict: &mut Verdict) -> BTreeSet<Uuid> {
    let of = |list: &[super::Dead]| -> BTreeSet<Uuid> {
        list.iter().filter(|dead| dead.handler == LEDGER).map(|dead| dead.event_id).collect()
    };
    let (dead, parked) = (of(&evidence.dead), of(&evidence.parked));
    for stranger in evidence.dead.iter().chain(&evidence.parked).filter(|dead| dead.handler != LEDGER) {
        verdict.other.push(format!(
            "{} was given up on {}, and has never failed by itself",
            stranger.handler, stranger.event_id
        ));
    }
    let deadly: BTreeSet<&str> =
        evidence.log.lives.iter().filter(|life| life.temper.is_deadly()).map(|life| life.title.as_str()).collect();
    let mut first: BTreeMap<&str, &Published> = BTreeMap::new();
    for event in &evidence.journal {
        let given_up = dead.contains(&event.event_id) || parked.contains(&event.event_id);
        let told = || format!("event {} of {} ({:?})", event.sequence, event.subject, event.title);
        if deadly.contains(event.title.as_str()) {
            let known = first.entry(&event.subject).or_insert(event);
            if event.sequence < known.sequence {
                *known = event;
            }
            if !given_up {
                verdict.other.push(format!("{} can never succeed, and was not given up on", told()));
            }
        } else if given_up {
            verdict.other.push(format!("{} was given up on because of what came from outside", told()));
        }
    }
    for event in first.values().filter(|event| !dead.contains(&event.event_id)) {
        verdict.other.push(format!("the first event of {} is parked for ever rather than dead", event.subject));
    }
    dead.union(&parked).copied().collect()
}

/// Each line of a subject comes after, and has seen, the one with the sequence before.
fn order(evidence: &Evidence, verdict: &mut Verdict) {
    let mut subjects: BTreeMap<&str, Vec<&LedgerLine>> = BTreeMap::new();
    for line in &evidence.ledger {
        subjects.entry(&line.subject).or_default().push(line);
    }
    for (subject, mut lines) in subjects {
        lines.sort_by_key(|line| line.number);
        let mut before: Option<u64> = None;
        for line in lines {
            // An effect that took place twice has been told of already.
            if before == Some(line.sequence) {
                continue;
            }
            let next = before.map_or(1, |before| before + 1);
            if line.sequence != next || line.saw != before {
                verdict.reordered.push(format!(
                    "effect {} of {subject} came after {before:?} and saw {:?}",
                    line.sequence, line.saw
                ));
                break;
            }
            before = Some(line.sequence);
        }
    }
}
