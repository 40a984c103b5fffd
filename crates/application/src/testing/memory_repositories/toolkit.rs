use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{state::ClaimedKey, unit_of_work::Access};
use crate::{
    ports::{
        Claim, ClaimedLane, IdempotencyKey, IdempotencyStore, Inbox, Intake, Outbox, Parking, ScheduledEvent,
        StorageError, StorageErrorKind, StoredResponse,
    },
    testing::memory_failures::FailureTables,
};

#[async_trait]
impl Outbox for Access<'_> {
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        const OPERATION: &str = "append to outbox";
        let state = self.write(OPERATION)?;
        for event in events {
            let new =
                state.event_ids.insert(event.id) && state.sequences.insert((event.subject.clone(), event.sequence));
            if !new {
                let reason = "this event, or this sequence of its subject, is already there";
                return Err(self.fail(StorageErrorKind::Constraint, OPERATION, reason));
            }
            state.outbox.push(event.clone());
        }
        Ok(())
    }

    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError> {
        const OPERATION: &str = "schedule event";
        let state = self.write(OPERATION)?;
        if state.scheduled.values().any(|scheduled| scheduled.event.id == event.id) {
            return Err(self.fail(StorageErrorKind::Constraint, OPERATION, "this event is scheduled already"));
        }
        state.last_scheduled += 1;
        let (row, scheduled_at) = (state.last_scheduled, state.failures.tick());
        state.scheduled.insert(row, ScheduledEvent { row, due, scheduled_at, event: event.clone() });
        Ok(())
    }

    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        let scheduled = &mut self.write("cancel scheduled event")?.scheduled;
        let row = scheduled.values().find(|scheduled| scheduled.event.id == event_id).map(|scheduled| scheduled.row);
        Ok(row.and_then(|row| scheduled.remove(&row)).is_some())
    }
}

impl Access<'_> {
    fn intake(
        &mut self,
        operation: &'static str,
        handler: &str,
        event_id: Uuid,
        known: impl Fn(&FailureTables) -> Intake,
    ) -> Result<Intake, StorageError> {
        let failures = &mut self.write(operation)?.failures;
        let intake = known(failures);
        if intake == Intake::New {
            failures.take_in(handler, event_id);
        }
        Ok(intake)
    }
}

#[async_trait]
impl Inbox for Access<'_> {
    async fn record(&mut self, handler: &str, event_id: Uuid, key: &str) -> Result<Intake, StorageError> {
        self.intake("record in inbox", handler, event_id, |tables| tables.intake(handler, event_id, key))
    }

    async fn record_replayed(&mut self, handler: &str, event: &EventEnvelope) -> Result<Intake, StorageError> {
        let known = |tables: &FailureTables| tables.intake_replayed(handler, event);
        self.intake("record replayed in inbox", handler, event.id, known)
    }

    async fn forget(&mut self, handler: &str, limit: u32) -> Result<u64, StorageError> {
        const OPERATION: &str = "forget inbox";
        let failures = &mut self.write(OPERATION)?.failures;
        if !failures.is_clearing(handler) {
            return Err(self.fail(StorageErrorKind::Fenced, OPERATION, "the replay is not clearing"));
        }
        let forgotten = failures.forgettable(handler, limit);
        failures.forget(&forgotten);
        Ok(forgotten.len() as u64)
    }
}

#[async_trait]
impl Parking for Access<'_> {
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError> {
        Ok(self.write("take parked event")?.failures.take(lane, place))
    }
}

#[async_trait]
impl IdempotencyStore for Access<'_> {
    async fn claim(&mut self, key: &IdempotencyKey) -> Result<Claim, StorageError> {
        let state = self.write("claim idempotency key")?;
        let id = (key.scope.clone(), key.key.clone());
        Ok(match state.idempotency.get(&id) {
            Some(claimed) if claimed.fingerprint != key.fingerprint => Claim::Mismatch,
            Some(ClaimedKey { answer: Some(response), .. }) => Claim::Answered(response.clone()),
            // Claimed and never answered: the work did not answer, so it may be done.
            Some(_) => Claim::New,
            None => {
                let claimed_at = state.failures.tick();
                state.idempotency.insert(id, ClaimedKey { fingerprint: key.fingerprint, answer: None, claimed_at });
                Claim::New
            }
        })
    }

    async fn answer(&mut self, key: &IdempotencyKey, response: &StoredResponse) -> Result<(), StorageError> {
        const OPERATION: &str = "answer idempotency key";
        let claimed = self.write(OPERATION)?.idempotency.get_mut(&(key.scope.clone(), key.key.clone()));
        match claimed {
            Some(claimed) => {
                claimed.answer = Some(response.clone());
                Ok(())
            }
            None => Err(self.fail(StorageErrorKind::Other, OPERATION, "the key has not been claimed")),
        }
    }
}
