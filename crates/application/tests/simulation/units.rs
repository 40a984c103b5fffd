//! Transactions, as a process reaches them.

use std::sync::Arc;

use activelog_application::ports::*;
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    handler::{Effect, NAMES},
    process::{Process, step},
    run::Defect,
};

pub(crate) struct ProcessUnits(pub(crate) Arc<Process>);

#[async_trait]
impl UnitOfWorkFactory<dyn UnitOfWork> for ProcessUnits {
    async fn begin(&self, options: TransactionOptions) -> Result<Box<dyn UnitOfWork>, StorageError> {
        let inner = step!(self.0, "begin", self.0.world.storage.begin(options))?;
        Ok(Box::new(ProcessUnit { inner, process: self.0.clone(), recorded: Vec::new() }))
    }
}

struct ProcessUnit {
    inner: Box<dyn UnitOfWork>,
    process: Arc<Process>,
    recorded: Vec<EventEnvelope>,
}

#[async_trait]
impl UnitOfWork for ProcessUnit {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        let recorded = &mut self.recorded;
        Box::new(Recording { inner: self.inner.outbox(), process: &self.process, recorded })
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        Box::new(Reached { inner: self.inner.inbox(), process: &self.process })
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        Box::new(Reached { inner: self.inner.parking(), process: &self.process })
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        self.inner.idempotency()
    }

    async fn commit(self: Box<Self>) -> Result<(), CommitError> {
        self.process.reach("commit").await.map_err(CommitError::RolledBack)?;
        if self.process.world.chance.mishap(80) {
            let lost = StorageError::new(StorageErrorKind::Unavailable, "commit", "lost on the way there");
            self.process.note(|| lost.to_string());
            return Err(CommitError::Unknown(lost));
        }
        let outcome = self.inner.commit().await;
        self.process.told("commit", &outcome);
        if outcome.is_ok() {
            // At the very moment of the commit: nothing is awaited in between.
            put_down(&self.process, &self.recorded);
        }
        self.process.back("commit").await.map_err(CommitError::Unknown)?;
        outcome
    }

    async fn rollback(self: Box<Self>) {
        self.process.pause().await;
        self.inner.rollback().await;
    }
}

/// Puts down effects that were committed. Those of the first handler go to the outbox, as one transaction would put them there.
fn put_down(process: &Process, recorded: &[EventEnvelope]) {
    for event in recorded {
        let effect = event.open::<Effect>().expect("an effect");
        process.world.ledger.taken(&effect);
        if effect.handler == NAMES[0] {
            process.world.outbox.record(std::slice::from_ref(event));
        }
    }
}

struct Recording<'a> {
    inner: Box<dyn Outbox + 'a>,
    process: &'a Arc<Process>,
    recorded: &'a mut Vec<EventEnvelope>,
}

#[async_trait]
impl Outbox for Recording<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        step!(self.process, "append", self.inner.append(events))?;
        self.recorded.extend_from_slice(events);
        Ok(())
    }

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        self.inner.schedule(event, due).await
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        self.inner.cancel(event_id).await
    }
}

/// A part of a transaction, as the process reaches it.
struct Reached<'a, T: ?Sized> {
    inner: Box<T>,
    process: &'a Arc<Process>,
}

#[async_trait]
impl Inbox for Reached<'_, dyn Inbox + '_> {
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError> {
        let defect = self.process.world.defect;
        if defect == Defect::NoInbox {
            return Ok(Intake::New);
        }
        let intake = step!(self.process, "record", self.inner.record(handler, event_id, key))?;
        self.process.note(|| format!("{handler} {key}: {intake:?}"));
        let overtakes = defect == Defect::NoBehind && intake == Intake::Behind;
        Ok(if overtakes { Intake::New } else { intake })
    }

    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError> {
        self.inner.record_replayed(handler, event).await
    }

    async fn forget(&mut self, handler: &str, limit: u32) -> Result<u64, StorageError> {
        self.inner.forget(handler, limit).await
    }
}

#[async_trait]
impl Parking for Reached<'_, dyn Parking + '_> {
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError> {
        step!(self.process, "take", self.inner.take(lane, place))
    }
}
