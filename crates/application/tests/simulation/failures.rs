//! Parking, dead letters and crash marks, as a process reaches them.

use std::{sync::Arc, time::Duration};

use activelog_application::{ports::*, testing::MemoryFailures};
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    ledger::address,
    process::{Process, step},
    run::Defect,
};

#[derive(Clone)]
pub(crate) struct ProcessFailures {
    inner: MemoryFailures,
    process: Arc<Process>,
}

impl ProcessFailures {
    pub(crate) fn new(process: &Arc<Process>) -> Self {
        Self { inner: process.world.storage.failures(), process: process.clone() }
    }

    /// Puts down what has become a dead letter.
    async fn put_down<T>(&self, outcome: Result<T, StorageError>) -> Result<T, StorageError> {
        let letters = DeadLetters::list(&self.inner, &DeadLetterFilter::default(), None, PARKING_PAGE_MAX).await?;
        for letter in self.process.world.ledger.dead(&letters.items) {
            let holds = if letter.holds { "holds its lane" } else { "lets its lane go on" };
            self.process
                .note(|| format!("dead: {:?}, and {holds}: {:?}", letter.death.reason, address(&letter.addressed)));
        }
        outcome
    }
}

#[async_trait]
impl ParkingStore for ProcessFailures {
    async fn park(&self, to: &Addressed, failures: Option<&Failures>, due: Timestamp) -> Result<bool, StorageError> {
        step!(self.process, "park", self.inner.park(to, failures, due))
    }

    async fn bury(
        &self,
        to: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<bool, StorageError> {
        step!(self.process, "bury", async {
            let outcome = self.inner.bury(to, reason, failures, after).await;
            self.put_down(outcome).await
        })
    }

    async fn claim(
        &self,
        handlers: &[&str],
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        step!(self.process, "claim", self.inner.claim(handlers, now, lease, limit))
    }

    async fn renew(&self, lanes: &[ClaimedLane], until: Timestamp) -> Result<Vec<ClaimedLane>, StorageError> {
        step!(self.process, "renew", self.inner.renew(lanes, until))
    }

    async fn events(&self, lane: &ClaimedLane, limit: u32) -> Result<Vec<ParkedEvent>, StorageError> {
        step!(self.process, "events", self.inner.events(lane, limit))
    }

    async fn postpone(
        &self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        step!(self.process, "postpone", self.inner.postpone(lane, place, failures, due))
    }

    async fn give_up(
        &self,
        lane: &ClaimedLane,
        place: i64,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<(), StorageError> {
        step!(self.process, "give up", async {
            let outcome = self.inner.give_up(lane, place, reason, failures, after).await;
            self.put_down(outcome).await
        })
    }

    async fn release(&self, lane: &ClaimedLane) -> Result<(), StorageError> {
        step!(self.process, "release", self.inner.release(lane))
    }

    async fn next_due(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError> {
        step!(self.process, "next due", self.inner.next_due(handlers))
    }

    async fn list(
        &self,
        filter: &ParkedFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Listed<ParkedEvent>, StorageError> {
        ParkingStore::list(&self.inner, filter, after, limit).await
    }

    async fn depth(&self) -> Result<ParkingDepth, StorageError> {
        self.inner.depth().await
    }
}

#[async_trait]
impl CrashMarks for ProcessFailures {
    async fn left(&self, handler: &str, event_id: Uuid) -> Result<u32, StorageError> {
        if self.process.world.defect == Defect::NoMarks {
            return Ok(0);
        }
        step!(self.process, "left", self.inner.left(handler, event_id))
    }

    async fn mark(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        step!(self.process, "mark", self.inner.mark(handler, event_id))
    }

    async fn erase(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        step!(self.process, "erase", self.inner.erase(handler, event_id))
    }

    async fn running(&self, group: &str, run: Uuid) -> Result<(), StorageError> {
        step!(self.process, "note run", self.inner.running(group, run))
    }

    async fn runs(&self, group: &str) -> Result<Vec<(Uuid, Timestamp)>, StorageError> {
        step!(self.process, "list runs", self.inner.runs(group))
    }

    async fn ended(&self, group: &str, runs: &[Uuid]) -> Result<(), StorageError> {
        step!(self.process, "end runs", self.inner.ended(group, runs))
    }
}
