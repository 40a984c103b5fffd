//! What the clients were told against tables and journal.

use std::collections::{BTreeMap, BTreeSet};

use super::{Evidence, Published, Stored, Verdict};
use crate::log::{Life, Outcome, State};

const CREATED: &str = "activity.created";
const DELETED: &str = "activity.deleted";

pub(super) fn judge(evidence: &Evidence, verdict: &mut Verdict) {
    let mut stored: BTreeMap<&str, Vec<&Stored>> = BTreeMap::new();
    for activity in &evidence.activities {
        stored.entry(&activity.title).or_default().push(activity);
    }
    let mut histories: BTreeMap<&str, BTreeMap<&str, Vec<&Published>>> = BTreeMap::new();
    for event in &evidence.journal {
        histories.entry(&event.title).or_default().entry(&event.subject).or_default().push(event);
    }
    for life in &evidence.log.lives {
        let found = stored.remove(life.title.as_str()).unwrap_or_default();
        let history = histories.remove(life.title.as_str()).unwrap_or_default();
        one(life, &found, &history.into_values().collect::<Vec<_>>(), verdict);
    }
    verdict.other.extend(stored.keys().map(|title| format!("{title:?} is stored, and nobody asked for it")));
    verdict.other.extend(histories.keys().map(|title| format!("{title:?} is journalled, and nobody asked for it")));
    positions(evidence, verdict);
    let created = evidence.journal.iter().filter(|event| event.name == CREATED).count() as u64;
    if evidence.notifications != created {
        verdict.other.push(format!("{created} activities were created with {} notifications", evidence.notifications));
    }
}

/// One activity: its row, and the events of its history.
fn one(life: &Life, found: &[&Stored], histories: &[Vec<&Published>], verdict: &mut Verdict) {
    let title = &life.title;
    if found.len() > 1 || histories.len() > 1 {
        verdict
            .doubled
            .push(format!("{title:?} was asked for once, and there are {} of it", found.len().max(histories.len())));
        return;
    }
    let state: State = found.first().map(|activity| (activity.version, activity.minutes));
    let possible = life.possible();
    if !possible.contains(&state) {
        verdict.lost.push(format!("{title:?} is {state:?}, and can only be one of {possible:?}"));
    }
    if let (Some(known), Some(activity)) = (life.id, found.first())
        && known != activity.id
    {
        verdict.other.push(format!("{title:?} was acknowledged as {known} and is {}", activity.id));
    }
    let history = histories.first().map_or(&[][..], Vec::as_slice);
    whole(title, state, history, life, verdict);
}

/// Whether the row and the events tell the same.
fn whole(title: &str, state: State, history: &[&Published], life: &Life, verdict: &mut Verdict) {
    let sequences: Vec<u64> = history.iter().map(|event| event.sequence).collect();
    if !sequences.is_sorted() {
        verdict.reordered.push(format!("{title:?} is journalled in the order {sequences:?}"));
    }
    let distinct: BTreeSet<u64> = sequences.iter().copied().collect();
    if distinct.len() < sequences.len() {
        verdict.doubled.push(format!("{title:?} is journalled as {sequences:?}"));
    }
    let ended = history.last().is_some_and(|event| event.name == DELETED);
    let last = history.len() as u64;
    let expected = match state {
        Some((version, _)) => version,
        None if ended || last == 0 => last,
        None => last + 1,
    };
    let count = |wanted| life.requests.iter().filter(|request| request.outcome == wanted).count() as u64;
    let (acknowledged, unknown) = (count(Outcome::Acknowledged), count(Outcome::Unknown));
    if !(acknowledged..=acknowledged + unknown).contains(&last) {
        verdict
            .lost
            .push(format!("{title:?} has {last} events, of {acknowledged} changes acknowledged and {unknown} unknown"));
    }
    if !(1..=expected).eq(distinct.iter().copied()) || (state.is_some() && ended) {
        verdict.lost.push(format!("{title:?} is {state:?} and its events are {sequences:?}, deleted: {ended}"));
    }
}

/// Positions are 1, 2, 3 … in each partition.
fn positions(evidence: &Evidence, verdict: &mut Verdict) {
    let mut partitions: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
    for event in &evidence.journal {
        partitions.entry(event.partition).or_default().push(event.position);
    }
    for (partition, mut positions) in partitions {
        positions.sort_unstable();
        if !(1..).zip(&positions).all(|(expected, found)| expected == *found) {
            verdict.other.push(format!("partition {partition} of the journal has gaps"));
        }
    }
}
