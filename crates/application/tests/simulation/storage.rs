//! A storage in whose every call the process may end, and that is away now and then.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    ports::*,
    testing::{FakeStorage, MemoryFailures},
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{chance::Chance, run::Defect};

#[derive(Clone)]
pub(crate) struct Shaky<T> {
    pub(crate) inner: T,
    pub(crate) chance: Arc<Chance>,
    pub(crate) defect: Defect,
}

/// Does it, with a pause before and after.
macro_rules! shaky {
    ($self:ident, $operation:literal, $call:expr) => {{
        $self.chance.reach($operation).await?;
        let outcome = $call.await;
        $self.chance.pause().await;
        outcome
    }};
}

#[async_trait]
impl UnitOfWorkFactory<dyn UnitOfWork> for Shaky<Arc<FakeStorage>> {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn UnitOfWork>, StorageError> {
        let inner = shaky!(self, "begin", self.inner.begin(options))?;
        Ok(Box::new(Shaky { inner, chance: self.chance.clone(), defect: self.defect }))
    }
}

impl<T> Shaky<T> {
    fn around<I>(&self, inner: I) -> Shaky<I> {
        Shaky { inner, chance: self.chance.clone(), defect: self.defect }
    }
}

#[async_trait]
impl UnitOfWork for Shaky<Box<dyn UnitOfWork>> {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        self.inner.outbox()
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        let (chance, defect) = (self.chance.clone(), self.defect);
        Box::new(Shaky { inner: self.inner.inbox(), chance, defect })
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        let (chance, defect) = (self.chance.clone(), self.defect);
        Box::new(Shaky { inner: self.inner.parking(), chance, defect })
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        self.inner.idempotency()
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        self.chance.reach("commit").await.map_err(CommitError::RolledBack)?;
        let outcome = self.inner.commit().await;
        // The answer may be lost on its way.
        self.chance.reach("commit").await.map_err(CommitError::Unknown)?;
        outcome
    }

    async fn rollback(self: Box<Self>) {
        self.chance.pause().await;
        self.inner.rollback().await;
    }
}

#[async_trait]
impl Inbox for Shaky<Box<dyn Inbox + '_>> {
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError> {
        if self.defect == Defect::NoInbox {
            return Ok(Intake::New);
        }
        let intake = shaky!(self, "record", self.inner.record(handler, event_id, key))?;
        let overtakes = self.defect == Defect::NoBehind && intake == Intake::Behind;
        Ok(if overtakes { Intake::New } else { intake })
    }

    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError> {
        self.inner.record_replayed(handler, event).await
    }
}

#[async_trait]
impl Parking for Shaky<Box<dyn Parking + '_>> {
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError> {
        shaky!(self, "take", self.inner.take(lane, place))
    }
}

pub(crate) type ShakyFailures = Shaky<MemoryFailures>;

impl Shaky<Arc<FakeStorage>> {
    pub(crate) fn failures(&self) -> ShakyFailures {
        self.around(self.inner.failures())
    }
}

#[async_trait]
impl ParkingStore for ShakyFailures {
    async fn park(&self, to: &Addressed, failures: Option<&Failures>, due: Timestamp) -> Result<bool, StorageError> {
        shaky!(self, "park", self.inner.park(to, failures, due))
    }

    async fn bury(
        &self,
        to: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<bool, StorageError> {
        shaky!(self, "bury", self.inner.bury(to, reason, failures, after))
    }

    async fn claim(
        &self,
        handlers: &[&str],
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        shaky!(self, "claim", self.inner.claim(handlers, now, lease, limit))
    }

    async fn renew(&self, lanes: &[ClaimedLane], until: Timestamp) -> Result<Vec<ClaimedLane>, StorageError> {
        shaky!(self, "renew", self.inner.renew(lanes, until))
    }

    async fn events(&self, lane: &ClaimedLane, limit: u32) -> Result<Vec<ParkedEvent>, StorageError> {
        shaky!(self, "events", self.inner.events(lane, limit))
    }

    async fn postpone(
        &self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        shaky!(self, "postpone", self.inner.postpone(lane, place, failures, due))
    }

    async fn give_up(
        &self,
        lane: &ClaimedLane,
        place: i64,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<(), StorageError> {
        shaky!(self, "give up", self.inner.give_up(lane, place, reason, failures, after))
    }

    async fn release(&self, lane: &ClaimedLane) -> Result<(), StorageError> {
        shaky!(self, "release", self.inner.release(lane))
    }

    async fn next_due(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError> {
        shaky!(self, "next due", self.inner.next_due(handlers))
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
impl CrashMarks for ShakyFailures {
    async fn left(&self, handler: &str, event_id: Uuid) -> Result<u32, StorageError> {
        shaky!(self, "left", self.inner.left(handler, event_id))
    }

    async fn mark(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        shaky!(self, "mark", self.inner.mark(handler, event_id))
    }

    async fn erase(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        shaky!(self, "erase", self.inner.erase(handler, event_id))
    }

    async fn running(&self, group: &str, run: Uuid) -> Result<(), StorageError> {
        self.inner.running(group, run).await
    }

    async fn runs(&self, group: &str) -> Result<Vec<(Uuid, Timestamp)>, StorageError> {
        self.inner.runs(group).await
    }

    async fn ended(&self, group: &str, runs: &[Uuid]) -> Result<(), StorageError> {
        self.inner.ended(group, runs).await
    }
}
