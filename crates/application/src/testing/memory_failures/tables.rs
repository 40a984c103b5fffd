use std::collections::{BTreeMap, BTreeSet};

use activelog_domain::event::EventEnvelope;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ports::{
    Addressed, ClaimedLane, DeadLetter, DeadLetterState, Intake, Listed, PARKING_PAGE_MAX, ParkedEvent, Replay,
    StorageError, StorageErrorKind,
};

/// A handler and an event.
pub(super) type Address = (String, Uuid);

/// A handler and a partition key.
pub(super) type LaneKey = (String, String);

/// Everything that is stored of failures, and of events that were taken. A method is what one statement or transaction does.
#[derive(Debug, Clone, Default)]
pub(in crate::testing) struct FailureTables {
    /// What handlers have taken, or will not take, and since when.
    pub(super) inbox: BTreeMap<Address, Timestamp>,
    pub(super) lanes: BTreeMap<LaneKey, Lane>,
    /// By place.
    pub(super) parked: BTreeMap<i64, ParkedEvent>,
    /// By number.
    pub(super) letters: BTreeMap<i64, Letter>,
    pub(super) letter_ids: BTreeMap<Address, i64>,
    /// How many, and when the last was made.
    pub(super) marks: BTreeMap<Address, (u32, Timestamp)>,
    /// By group; when each was last said to be running.
    pub(super) runs: BTreeMap<String, BTreeMap<Uuid, Timestamp>>,
    pub(super) replays: BTreeMap<String, Replay>,
    /// Lanes that a transaction takes an event off: nobody can claim them.
    pub(super) under_way: BTreeSet<LaneKey>,
    pub(super) last_place: i64,
    pub(super) last_letter: i64,
    pub(super) last_epoch: i64,
    ticks: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) due: Timestamp,
    pub(super) epoch: i64,
    pub(super) claimed_until: Option<Timestamp>,
    /// How many dead letters it waits for.
    pub(super) holders: u32,
    pub(super) places: BTreeSet<i64>,
}

#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) place: i64,
    pub(super) letter: DeadLetter,
}

pub(super) fn address(addressed: &Addressed) -> Address {
    (addressed.handler.clone(), addressed.event.id)
}

pub(super) fn lane_key(addressed: &Addressed) -> LaneKey {
    (addressed.handler.clone(), addressed.event.partition_key.clone())
}

impl FailureTables {
    /// The storage's time of day: rises with every call, and lies before that of every test.
    pub(in crate::testing) fn tick(&mut self) -> Timestamp {
        const BASE: Timestamp = Timestamp::constant(1_700_000_000, 0);
        self.ticks += 1;
        BASE.checked_add(SignedDuration::from_micros(self.ticks)).unwrap_or(BASE)
    }

    /// What the inbox knows of an event that comes from the broker.
    pub(in crate::testing) fn intake(&self, handler: &str, event_id: Uuid, key: &str) -> Intake {
        if self.is_known(&(handler.to_owned(), event_id)) {
            return Intake::AlreadyTaken;
        }
        let lane = (handler.to_owned(), key.to_owned());
        match self.replays.contains_key(handler) || self.lanes.contains_key(&lane) {
            true => Intake::Behind,
            false => Intake::New,
        }
    }

    /// What the inbox knows of an event that is replayed for the handler.
    pub(in crate::testing) fn intake_replayed(&self, handler: &str, event: &EventEnvelope) -> Intake {
        if self.is_known(&(handler.to_owned(), event.id)) {
            return Intake::AlreadyTaken;
        }
        let earlier = |other: &Addressed| {
            other.handler == handler && other.event.subject == event.subject && other.event.sequence < event.sequence
        };
        let mut holding = self.letters.values().map(|row| &row.letter).filter(|letter| letter.holds);
        match self.parked.values().any(|p| earlier(&p.addressed)) || holding.any(|letter| earlier(&letter.addressed)) {
            true => Intake::Behind,
            false => Intake::New,
        }
    }

    /// Records that a handler takes an event.
    pub(in crate::testing) fn take_in(&mut self, handler: &str, event_id: Uuid) {
        let at = self.tick();
        self.inbox.insert((handler.to_owned(), event_id), at);
    }

    /// Everything in the inbox.
    pub(in crate::testing) fn inbox(&self) -> impl Iterator<Item = &Address> {
        self.inbox.keys()
    }

    /// Whether the event was taken, is parked, or is a dead letter.
    pub(super) fn is_known(&self, address: &Address) -> bool {
        self.inbox.contains_key(address) || self.is_dead(address)
    }

    /// Whether the event is a dead letter that the handler has not taken.
    pub(super) fn is_dead(&self, address: &Address) -> bool {
        let letter = self.letter_ids.get(address).and_then(|id| self.letters.get(id));
        letter.is_some_and(|letter| letter.letter.state != DeadLetterState::Replayed)
    }

    /// The lane, unless the claim has ended or another has it.
    pub(super) fn held(&mut self, lane: &ClaimedLane, operation: &'static str) -> Result<&mut Lane, StorageError> {
        match self.lanes.get_mut(&(lane.handler.clone(), lane.key.clone())) {
            Some(row) if row.is_held(lane) => Ok(row),
            _ => Err(StorageError::new(StorageErrorKind::Fenced, operation, "the lane has gone to another worker")),
        }
    }

    /// The lane of this key, a new one if need be.
    pub(super) fn lane(&mut self, key: LaneKey, due: Timestamp) -> &mut Lane {
        let new = Lane { due, epoch: 0, claimed_until: None, holders: 0, places: BTreeSet::new() };
        self.lanes.entry(key).or_insert(new)
    }

    /// Removes the lane unless it holds events, waits for an operator or is being emptied.
    pub(super) fn drop_if_idle(&mut self, key: &LaneKey) {
        let idle = |lane: &Lane| lane.places.is_empty() && lane.holders == 0 && lane.claimed_until.is_none();
        if self.lanes.get(key).is_some_and(idle) {
            self.lanes.remove(key);
        }
    }

    pub(super) fn next_place(&mut self) -> i64 {
        self.last_place += 1;
        self.last_place
    }
}

impl Lane {
    pub(super) fn is_held(&self, lane: &ClaimedLane) -> bool {
        self.epoch == lane.epoch && self.claimed_until.is_some()
    }
}

/// A page of at most `limit`, which is bounded, of items with their keys.
pub(super) fn page<'a, T: Clone + 'a>(items: impl Iterator<Item = (i64, &'a T)>, limit: u32) -> Listed<T> {
    let limit = bounded(limit);
    let mut found: Vec<(i64, &T)> = items.take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(key, _)| *key);
    Listed { items: found.into_iter().map(|(_, item)| item.clone()).collect(), next }
}

/// A page's size.
pub(super) fn bounded(limit: u32) -> usize {
    usize::try_from(limit.min(PARKING_PAGE_MAX)).unwrap_or(0)
}
