use activelog_domain::event::{DomainEvent, EncodeError, EventEnvelope, EventMetadata};
use jiff::Timestamp;
use uuid::Uuid;

use super::RequestContext;
use crate::ports::{Clock, IdGenerator, StorageError, UnitOfWork};

/// What a use case or an event handler works with: its transaction, the time, ids, and the events it records.
pub struct Step<'a, U: ?Sized> {
    pub(super) uow: &'a mut U,
    pub(super) context: &'a RequestContext,
    pub(super) clock: &'a dyn Clock,
    pub(super) ids: &'a dyn IdGenerator,
    pub(super) recorded: &'a mut Recorded,
}

/// What a step records, before it goes to the outbox.
#[derive(Default)]
pub(super) struct Recorded {
    /// To be published after the commit.
    pub(super) events: Vec<EventEnvelope>,
    /// To be published at a time of their own.
    pub(super) scheduled: Vec<(EventEnvelope, Timestamp)>,
}

impl<U: ?Sized> Step<'_, U> {
    /// The transaction and its repositories.
    pub fn tx(&mut self) -> &mut U {
        self.uow
    }

    /// Where the work comes from.
    pub fn context(&self) -> &RequestContext {
        self.context
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A new id.
    pub fn next_id(&self) -> Uuid {
        self.ids.next_id()
    }

    /// Records an event: it goes to the outbox with this transaction, after those recorded before it. Answers its id.
    pub fn record<E: DomainEvent>(&mut self, event: &E) -> Result<Uuid, EncodeError> {
        let sealed = self.seal(event, self.now())?;
        let id = sealed.id;
        self.recorded.events.push(sealed);
        Ok(id)
    }

    /// Records an event for a later time: it is kept with this transaction, and published at `due`, which is also the time it says it
    /// happened. Answers its id, by which it can be [cancelled](Self::cancel).
    pub fn schedule<E: DomainEvent>(&mut self, event: &E, due: Timestamp) -> Result<Uuid, EncodeError> {
        let sealed = self.seal(event, due)?;
        let id = sealed.id;
        self.recorded.scheduled.push((sealed, due));
        Ok(id)
    }

    fn seal<E: DomainEvent>(&self, event: &E, time: Timestamp) -> Result<EventEnvelope, EncodeError> {
        let metadata = EventMetadata {
            id: self.next_id(),
            time,
            correlation_id: self.context.correlation_id,
            causation_id: self.context.causation_id,
            trace: self.context.trace.clone(),
        };
        EventEnvelope::seal(event, metadata)
    }
}

impl<U: ?Sized + UnitOfWork> Step<'_, U> {
    /// Takes a scheduled event off the schedule, together with the rest of the transaction. `false` when it is not on it any more: it has been
    /// published, or cancelled before.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError> {
        // One that was scheduled in this very transaction is not stored yet.
        let scheduled = &mut self.recorded.scheduled;
        if let Some(index) = scheduled.iter().position(|(event, _)| event.id == event_id) {
            scheduled.remove(index);
            return Ok(true);
        }
        self.uow.outbox().cancel(event_id).await
    }
}
