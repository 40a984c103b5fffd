use std::{ops::Bound, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Hold, MemoryFailures, tables::page};
use crate::ports::{
    Addressed, AfterDeadLetter, ClaimedLane, DeathReason, Failures, Listed, ParkedEvent, ParkedFilter, ParkingDepth,
    ParkingStore, StorageError,
};

const COUNT_MAX: usize = 100_000;

fn wanted(filter: &ParkedFilter, parked: &ParkedEvent) -> bool {
    let Addressed { handler, event, .. } = &parked.addressed;
    filter.handler.as_ref().is_none_or(|wanted| wanted == handler)
        && filter.event.as_ref().is_none_or(|name| *name == event.name)
        && filter.subject.as_ref().is_none_or(|subject| *subject == event.subject)
}

#[async_trait]
impl ParkingStore for MemoryFailures {
    async fn park(
        &self,
        addressed: &Addressed,
        failures: Option<&Failures>,
        due: Timestamp,
    ) -> Result<bool, StorageError> {
        let needs = [Hold::inbox(addressed)];
        self.change("park event", &needs, |tables| tables.park(addressed, failures, due)).await
    }

    async fn bury(
        &self,
        addressed: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<bool, StorageError> {
        let needs = [Hold::inbox(addressed), Hold::lane_of(addressed)];
        self.change("bury event", &needs, |tables| tables.bury(addressed, reason, failures, after)).await
    }

    async fn claim(
        &self,
        handlers: &[&str],
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        self.change("claim lanes", &[], |tables| tables.claim(handlers, now, lease, limit)).await
    }

    async fn renew(&self, lanes: &[ClaimedLane], until: Timestamp) -> Result<Vec<ClaimedLane>, StorageError> {
        self.change("renew claims", &[], |tables| tables.renew(lanes, until)).await
    }

    async fn events(&self, lane: &ClaimedLane, limit: u32) -> Result<Vec<ParkedEvent>, StorageError> {
        self.change("read lane", &[Hold::lane(lane)], |tables| tables.events(lane, limit)).await?
    }

    async fn postpone(
        &self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        let needs = [Hold::lane(lane)];
        self.change("postpone parked event", &needs, |tables| tables.postpone(lane, place, failures, due)).await?
    }

    async fn give_up(
        &self,
        lane: &ClaimedLane,
        place: i64,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<(), StorageError> {
        let needs = [Hold::lane(lane)];
        self.change("give up parked event", &needs, |tables| tables.give_up(lane, place, reason, failures, after))
            .await?
    }

    async fn release(&self, lane: &ClaimedLane) -> Result<(), StorageError> {
        self.change("release lane", &[Hold::lane(lane)], |tables| tables.release(lane)).await
    }

    async fn next_due(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError> {
        self.read("next due", |tables| tables.next_due(handlers)).await
    }

    async fn list(
        &self,
        filter: &ParkedFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Listed<ParkedEvent>, StorageError> {
        self.read("list parked events", |tables| {
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let events = tables.parked.range((from, Bound::Unbounded)).map(|(place, event)| (*place, event));
            page(events.filter(|(_, event)| wanted(filter, event)), limit)
        })
        .await
    }

    async fn depth(&self) -> Result<ParkingDepth, StorageError> {
        self.read("parking depth", |tables| ParkingDepth {
            events: tables.parked.len().min(COUNT_MAX) as u64,
            held_lanes: tables.lanes.values().filter(|lane| lane.holders > 0).count() as u64,
        })
        .await
    }
}
