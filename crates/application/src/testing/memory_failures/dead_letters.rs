use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    FailureTables, MemoryFailures,
    tables::{Letter, address, lane_key, page},
};
use crate::ports::{
    Addressed, AfterDeadLetter, ClaimedLane, DeadLetter, DeadLetterFilter, DeadLetterState, DeadLetters, Death,
    DeathReason, Failures, Listed, StorageError,
};

/// How many earlier deaths are kept.
const EARLIER_MAX: usize = 20;

const COUNT_MAX: usize = 1_000_000;

/// Dead letters.
impl FailureTables {
    pub(super) fn bury(
        &mut self,
        addressed: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> bool {
        if self.is_known(&address(addressed)) {
            return false;
        }
        self.take_in(&addressed.handler, addressed.event.id);
        let place = self.next_place();
        self.die(place, addressed, Death { reason, failures: failures.clone() }, after);
        self.later_ones_behind(addressed);
        true
    }

    pub(super) fn give_up(
        &mut self,
        lane: &ClaimedLane,
        place: i64,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<(), StorageError> {
        let there = self.held(lane, "give up parked event")?.places.contains(&place);
        if let (true, Some(event)) = (there, self.parked.get(&place).cloned()) {
            self.remove(place);
            self.die(place, &event.addressed, Death { reason, failures: failures.clone() }, after);
        }
        Ok(())
    }

    fn die(&mut self, place: i64, addressed: &Addressed, death: Death, after: AfterDeadLetter) {
        let (now, died_at) = (self.tick(), death.failures.last_at);
        let holds = after == AfterDeadLetter::Hold;
        if holds {
            let lane = self.lane(lane_key(addressed), now);
            lane.holders += 1;
            lane.claimed_until = None;
        }
        let known = self.letter_ids.get(&address(addressed)).and_then(|id| self.letters.get_mut(id));
        if let Some(Letter { place: at, letter }) = known {
            *at = place;
            letter.addressed = addressed.clone();
            letter.earlier.push(std::mem::replace(&mut letter.death, death));
            let surplus = letter.earlier.len().saturating_sub(EARLIER_MAX);
            letter.earlier.drain(..surplus);
            (letter.state, letter.holds) = (DeadLetterState::Dead, holds);
            (letter.died_at, letter.changed_at) = (died_at, now);
            return;
        }
        self.last_letter += 1;
        let (id, addressed) = (self.last_letter, addressed.clone());
        self.letter_ids.insert(address(&addressed), id);
        let (state, changed_at, earlier) = (DeadLetterState::Dead, now, Vec::new());
        let letter = DeadLetter { id, addressed, state, died_at, changed_at, holds, death, earlier };
        self.letters.insert(id, Letter { place, letter });
    }

    /// Changes what is dead, and has its lane no longer wait for it.
    fn settle(&mut self, id: i64, state: DeadLetterState) -> Option<Letter> {
        let now = self.tick();
        let row = self.letters.get_mut(&id).filter(|row| row.letter.state == DeadLetterState::Dead)?;
        row.letter.state = state;
        row.letter.changed_at = now;
        let settled = row.clone();
        row.letter.holds = false;
        let lane = self.lanes.get_mut(&lane_key(&settled.letter.addressed));
        if let Some(lane) = lane.filter(|_| settled.letter.holds) {
            lane.holders = lane.holders.saturating_sub(1);
        }
        Some(settled)
    }

    fn replay(&mut self, id: i64) -> bool {
        let Some(Letter { place, letter }) = self.settle(id, DeadLetterState::Replaying) else { return false };
        let now = self.tick();
        self.put(place, &letter.addressed, None, now);
        self.lane(lane_key(&letter.addressed), now).due = now;
        true
    }

    fn discard(&mut self, id: i64) -> bool {
        let Some(Letter { letter, .. }) = self.settle(id, DeadLetterState::Discarded) else { return false };
        self.drop_if_idle(&lane_key(&letter.addressed));
        true
    }

    fn prune(&mut self, before: Timestamp, limit: u32) -> u64 {
        let handled = |letter: &DeadLetter| {
            matches!(letter.state, DeadLetterState::Replayed | DeadLetterState::Discarded) && letter.changed_at < before
        };
        let old = self.letters.values().filter(|row| handled(&row.letter)).map(|row| row.letter.id);
        let ids: Vec<i64> = old.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        for id in &ids {
            if let Some(row) = self.letters.remove(id) {
                self.letter_ids.remove(&address(&row.letter.addressed));
            }
        }
        ids.len() as u64
    }
}

fn wanted(filter: &DeadLetterFilter, letter: &DeadLetter) -> bool {
    let event = &letter.addressed.event;
    filter.handler.as_ref().is_none_or(|handler| *handler == letter.addressed.handler)
        && filter.event.as_ref().is_none_or(|name| *name == event.name)
        && filter.subject.as_ref().is_none_or(|subject| *subject == event.subject)
        && filter.reason.is_none_or(|reason| reason == letter.death.reason)
        && filter.state.is_none_or(|state| state == letter.state)
        && filter.from.is_none_or(|from| letter.died_at >= from)
        && filter.to.is_none_or(|to| letter.died_at < to)
}

#[async_trait]
impl DeadLetters for MemoryFailures {
    async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError> {
        self.read("list dead letters", |tables| {
            let letters = tables.letters.range(..before.unwrap_or(i64::MAX)).rev().map(|(id, row)| (*id, &row.letter));
            page(letters.filter(|(_, letter)| wanted(filter, letter)), limit)
        })
        .await
    }

    async fn find(&self, id: i64) -> Result<Option<DeadLetter>, StorageError> {
        self.read("find dead letter", |tables| tables.letters.get(&id).map(|row| row.letter.clone())).await
    }

    async fn count(&self, filter: &DeadLetterFilter) -> Result<u64, StorageError> {
        self.read("count dead letters", |tables| {
            tables.letters.values().filter(|row| wanted(filter, &row.letter)).take(COUNT_MAX).count() as u64
        })
        .await
    }

    async fn replay(&self, id: i64) -> Result<bool, StorageError> {
        self.change("replay dead letter", &[], |tables| tables.replay(id)).await
    }

    async fn discard(&self, id: i64) -> Result<bool, StorageError> {
        self.change("discard dead letter", &[], |tables| tables.discard(id)).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        self.change("prune dead letters", &[], |tables| tables.prune(before, limit)).await
    }
}
