use std::{collections::BTreeSet, sync::Arc};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    Behaviour, FakeStorage, Point,
    storage::{Answers, Tally},
};
use crate::{
    ports::{
        Claim, ClaimedLane, CommitError, IdempotencyKey, IdempotencyStore, Inbox, Intake, Outbox, Parking,
        StorageError, StorageErrorKind, StoredResponse, UnitOfWork,
    },
    testing::memory_failures::{FailureTables, Hold},
};

/// What a unit of work has written.
#[derive(Default)]
struct Written {
    events: Vec<EventEnvelope>,
    inbox: BTreeSet<(String, Uuid)>,
    forgotten: Vec<(String, Uuid)>,
    scheduled: Vec<(EventEnvelope, Timestamp)>,
    cancelled: BTreeSet<Uuid>,
    answers: Answers,
    taken: Vec<(ClaimedLane, i64)>,
}

pub(super) struct FakeUnitOfWork {
    storage: Arc<FakeStorage>,
    id: u64,
    written: Written,
    poisoned: bool,
    ended: bool,
}

impl FakeUnitOfWork {
    pub(super) fn new(storage: Arc<FakeStorage>, id: u64) -> Self {
        Self { storage, id, written: Written::default(), poisoned: false, ended: false }
    }

    async fn statement(&mut self, point: Point, operation: &'static str) -> Result<(), StorageError> {
        if self.poisoned {
            return Err(StorageError::new(StorageErrorKind::Other, operation, "an earlier statement failed"));
        }
        // Also when the caller drops the statement in the middle.
        self.poisoned = true;
        self.storage.reach(point, operation).await?;
        self.poisoned = false;
        Ok(())
    }

    /// Takes hold of `what`, once nobody else has it.
    async fn hold(&self, what: Hold) {
        let id = self.id;
        self.storage
            .when_free(Some(id), std::slice::from_ref(&what), |state| state.held.insert(what.clone(), id))
            .await;
    }

    fn end(&mut self, tally: impl FnOnce(&mut Tally)) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let mut state = self.storage.state();
        for (lane, _) in &self.written.taken {
            state.failures.set_under_way(&lane.handler, &lane.key, false);
        }
        state.held.retain(|_, owner| *owner != self.id);
        tally(&mut state.tally);
        drop(state);
        self.storage.ring();
    }

    fn apply(&self) {
        let mut state = self.storage.state();
        state.events.extend(self.written.events.iter().cloned());
        state.scheduled.retain(|(event, _)| !self.written.cancelled.contains(&event.id));
        state.scheduled.extend(self.written.scheduled.iter().cloned());
        state.answers.extend(self.written.answers.clone());
        state.failures.forget(&self.written.forgotten);
        for (handler, event_id) in &self.written.inbox {
            state.failures.take_in(handler, *event_id);
        }
        for (lane, place) in &self.written.taken {
            state.failures.take(lane, *place);
        }
    }

    async fn intake(
        &mut self,
        handler: &str,
        event_id: Uuid,
        known: impl Fn(&FailureTables) -> Intake + Send,
    ) -> Result<Intake, StorageError> {
        self.statement(Point::Record, "record in inbox").await?;
        self.hold(Hold::Inbox(handler.to_owned(), event_id)).await;
        let row = (handler.to_owned(), event_id);
        if self.written.inbox.contains(&row) {
            return Ok(Intake::AlreadyTaken);
        }
        let intake = known(&self.storage.state().failures);
        if intake == Intake::New {
            self.written.inbox.insert(row);
        }
        Ok(intake)
    }
}

impl Drop for FakeUnitOfWork {
    fn drop(&mut self) {
        self.end(|tally| tally.abandoned += 1);
    }
}

#[async_trait]
impl UnitOfWork for FakeUnitOfWork {
    fn outbox(&mut self) -> Box<dyn Outbox + '_> {
        Box::new(Tables(self))
    }

    fn inbox(&mut self) -> Box<dyn Inbox + '_> {
        Box::new(Tables(self))
    }

    fn parking(&mut self) -> Box<dyn Parking + '_> {
        Box::new(Tables(self))
    }

    fn idempotency(&mut self) -> Box<dyn IdempotencyStore + '_> {
        Box::new(Tables(self))
    }

    async fn commit(mut self: Box<Self>) -> Result<(), CommitError> {
        if self.poisoned {
            let error = StorageError::new(StorageErrorKind::Other, "commit", "an earlier statement failed");
            return Err(CommitError::RolledBack(error));
        }
        let behaviour = self.storage.clone().reach(Point::Commit, "commit").await.map_err(CommitError::RolledBack)?;
        let lost =
            || CommitError::Unknown(StorageError::new(StorageErrorKind::Unavailable, "commit", "connection lost"));
        if matches!(behaviour, Behaviour::Lost { committed: false }) {
            return Err(lost());
        }
        self.apply();
        self.end(|tally| tally.committed += 1);
        if matches!(behaviour, Behaviour::Lost { .. }) { Err(lost()) } else { Ok(()) }
    }

    async fn rollback(mut self: Box<Self>) {
        // Whatever the script says, it is undone.
        let _reached = self.storage.clone().reach(Point::Rollback, "rollback").await.is_ok();
        self.end(|tally| tally.rolled_back += 1);
    }
}

struct Tables<'a>(&'a mut FakeUnitOfWork);

#[async_trait]
impl Outbox for Tables<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        self.0.statement(Point::Append, "append to outbox").await?;
        self.0.written.events.extend_from_slice(events);
        Ok(())
    }

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        self.0.statement(Point::Append, "schedule event").await?;
        self.0.written.scheduled.push((event.clone(), due));
        Ok(())
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        self.0.statement(Point::Append, "cancel scheduled event").await?;
        let of = |scheduled: &(EventEnvelope, Timestamp)| scheduled.0.id == event_id;
        let known = self.0.written.scheduled.iter().any(of) || self.0.storage.state().scheduled.iter().any(of);
        self.0.written.scheduled.retain(|scheduled| !of(scheduled));
        Ok(self.0.written.cancelled.insert(event_id) && known)
    }
}

#[async_trait]
impl Inbox for Tables<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError> {
        self.0.intake(handler, event_id, |tables| tables.intake(handler, event_id, key)).await
    }

    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError> {
        self.0.intake(handler, event.id, |tables| tables.intake_replayed(handler, event)).await
    }

    async fn forget(&mut self, handler: &str, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "forget inbox";
        self.0.statement(Point::Record, OPERATION).await?;
        self.0.hold(Hold::Inbox(handler.to_owned(), Uuid::nil())).await;
        let forgotten = {
            let failures = &self.0.storage.state().failures;
            failures.is_clearing(handler).then(|| failures.forgettable(handler, limit))
        };
        let Some(forgotten) = forgotten else {
            self.0.poisoned = true;
            return Err(StorageError::new(StorageErrorKind::Fenced, OPERATION, "the replay is not clearing"));
        };
        let count = forgotten.len() as u64;
        self.0.written.forgotten.extend(forgotten);
        Ok(count)
    }
}

#[async_trait]
impl Parking for Tables<'_> {
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError> {
        self.0.statement(Point::Take, "take parked event").await?;
        let taking = (lane.clone(), place);
        self.0.hold(Hold::Lane(lane.handler.clone(), lane.key.clone())).await;
        let mut state = self.0.storage.state();
        if self.0.written.taken.contains(&taking) || !state.failures.can_take(lane, place) {
            return Ok(false);
        }
        state.failures.set_under_way(&lane.handler, &lane.key, true);
        self.0.written.taken.push(taking);
        Ok(true)
    }
}

#[async_trait]
impl IdempotencyStore for Tables<'_> {
    async fn claim(&mut self, key: &IdempotencyKey) -> Result<Claim, StorageError> {
        self.0.statement(Point::Claim, "claim idempotency key").await?;
        let row = (key.scope.clone(), key.key.clone());
        self.0.hold(Hold::Key(row.0.clone(), row.1.clone())).await;
        Ok(match self.0.storage.state().answers.get(&row) {
            None => Claim::New,
            Some((fingerprint, response)) if *fingerprint == key.fingerprint => Claim::Answered(response.clone()),
            Some(_) => Claim::Mismatch,
        })
    }

    async fn answer(&mut self, key: &IdempotencyKey, response: &StoredResponse) -> Result<(), StorageError> {
        self.0.statement(Point::Answer, "keep answer").await?;
        self.0.written.answers.insert((key.scope.clone(), key.key.clone()), (key.fingerprint, response.clone()));
        Ok(())
    }
}
