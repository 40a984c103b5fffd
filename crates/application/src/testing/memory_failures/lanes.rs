use std::time::Duration;

use jiff::Timestamp;

use super::{
    FailureTables,
    tables::{Lane, LaneKey, address, bounded, lane_key},
};
use crate::ports::{Addressed, ClaimedLane, DeadLetterState, Failures, ParkedEvent, StorageError};

/// Parked events and their lanes.
impl FailureTables {
    pub(super) fn park(&mut self, addressed: &Addressed, failures: Option<&Failures>, due: Timestamp) -> bool {
        if self.is_known(&address(addressed)) {
            return false;
        }
        self.take_in(&addressed.handler, addressed.event.id);
        let place = self.next_place();
        self.put(place, addressed, failures, due);
        self.later_ones_behind(addressed);
        true
    }

    /// Gives the events of this one's subject that come later in it, and are parked already, places behind every other.
    pub(super) fn later_ones_behind(&mut self, addressed: &Addressed) {
        let (handler, event) = (&addressed.handler, &addressed.event);
        let later = self.parked.values().filter(|parked| {
            let (of, parked) = (&parked.addressed.handler, &parked.addressed.event);
            of == handler && parked.subject == event.subject && parked.sequence > event.sequence
        });
        let later: Vec<i64> = later.map(|parked| parked.place).collect();
        for place in later {
            let Some(parked) = self.remove(place) else { continue };
            let place = self.next_place();
            if let Some(lane) = self.lanes.get_mut(&lane_key(&parked.addressed)) {
                lane.places.insert(place);
            }
            self.parked.insert(place, ParkedEvent { place, ..parked });
        }
    }

    /// Puts an event at this place of its lane.
    pub(super) fn put(&mut self, place: i64, addressed: &Addressed, failures: Option<&Failures>, due: Timestamp) {
        let parked_at = self.tick();
        self.lane(lane_key(addressed), due).places.insert(place);
        let event = ParkedEvent { place, addressed: addressed.clone(), parked_at, failures: failures.cloned() };
        self.parked.insert(place, event);
    }

    pub(super) fn claim(&mut self, handlers: &[&str], now: Timestamp, lease: Duration, limit: u32) -> Vec<ClaimedLane> {
        let until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
        let due = self.waiting(handlers).filter(|(_, lane)| lane.claimable_at() <= now);
        let free = due.filter(|(key, _)| !self.under_way.contains(*key));
        let mut due: Vec<(Timestamp, LaneKey)> = free.map(|(key, lane)| (lane.due, key.clone())).collect();
        due.sort();
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut claimed = Vec::new();
        for (_, key) in due {
            self.last_epoch += 1;
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.epoch = self.last_epoch;
                lane.claimed_until = Some(until);
                claimed.push(ClaimedLane { handler: key.0, key: key.1, epoch: lane.epoch });
            }
        }
        claimed
    }

    pub(super) fn next_due(&self, handlers: &[&str]) -> Option<Timestamp> {
        self.waiting(handlers).map(|(_, lane)| lane.claimable_at()).min()
    }

    /// The lanes that can be claimed now or when their time has come.
    fn waiting(&self, handlers: &[&str]) -> impl Iterator<Item = (&LaneKey, &Lane)> {
        self.lanes.iter().filter(|(key, lane)| {
            handlers.contains(&key.0.as_str()) && lane.holders == 0 && !self.replays.contains_key(&key.0)
        })
    }

    pub(super) fn renew(&mut self, lanes: &[ClaimedLane], until: Timestamp) -> Vec<ClaimedLane> {
        let mut held = Vec::new();
        for lane in lanes {
            if let Ok(row) = self.held(lane, "renew claim") {
                row.claimed_until = Some(until);
                held.push(lane.clone());
            }
        }
        held
    }

    pub(super) fn events(&mut self, lane: &ClaimedLane, limit: u32) -> Result<Vec<ParkedEvent>, StorageError> {
        let row = self.held(lane, "read lane")?;
        if row.places.is_empty() {
            row.claimed_until = None;
            self.drop_if_idle(&(lane.handler.clone(), lane.key.clone()));
            return Ok(Vec::new());
        }
        let places: Vec<i64> = row.places.iter().copied().take(bounded(limit)).collect();
        Ok(places.iter().filter_map(|place| self.parked.get(place)).cloned().collect())
    }

    pub(super) fn postpone(
        &mut self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        let row = self.held(lane, "postpone parked event")?;
        row.due = due;
        row.claimed_until = None;
        let there = row.places.contains(&place);
        if let Some(event) = self.parked.get_mut(&place).filter(|_| there) {
            event.failures = Some(failures.clone());
        }
        Ok(())
    }

    pub(super) fn release(&mut self, lane: &ClaimedLane) {
        let now = self.tick();
        if let Ok(row) = self.held(lane, "release lane") {
            row.claimed_until = None;
            row.due = row.due.min(now);
            self.drop_if_idle(&(lane.handler.clone(), lane.key.clone()));
        }
    }

    /// Whether this worker still has the lane, may take from it, and the event is on it.
    pub(in crate::testing) fn can_take(&self, lane: &ClaimedLane, place: i64) -> bool {
        let row = self.lanes.get(&(lane.handler.clone(), lane.key.clone()));
        let held = row.is_some_and(|row| row.is_held(lane) && row.places.contains(&place));
        held && !self.replays.contains_key(&lane.handler)
    }

    /// Takes an event off its lane.
    pub(in crate::testing) fn take(&mut self, lane: &ClaimedLane, place: i64) -> bool {
        if !self.can_take(lane, place) {
            return false;
        }
        let Some(event) = self.remove(place) else { return false };
        let now = self.tick();
        let id = self.letter_ids.get(&address(&event.addressed));
        let letter = id.and_then(|id| self.letters.get_mut(id)).map(|row| &mut row.letter);
        if let Some(letter) = letter.filter(|letter| letter.state == DeadLetterState::Replaying) {
            (letter.state, letter.changed_at) = (DeadLetterState::Replayed, now);
        }
        self.inbox.insert(address(&event.addressed), now);
        true
    }

    /// Removes an event from its lane and from what is parked.
    pub(super) fn remove(&mut self, place: i64) -> Option<ParkedEvent> {
        let event = self.parked.remove(&place)?;
        if let Some(lane) = self.lanes.get_mut(&lane_key(&event.addressed)) {
            lane.places.remove(&place);
        }
        Some(event)
    }

    /// Says that a transaction takes an event off the lane, or no longer does.
    pub(in crate::testing) fn set_under_way(&mut self, handler: &str, key: &str, under_way: bool) {
        let key = (handler.to_owned(), key.to_owned());
        match under_way {
            true => self.under_way.insert(key),
            false => self.under_way.remove(&key),
        };
    }
}

impl Lane {
    fn claimable_at(&self) -> Timestamp {
        self.claimed_until.map_or(self.due, |until| until.max(self.due))
    }
}
