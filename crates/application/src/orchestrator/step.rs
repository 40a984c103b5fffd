use activelog_domain::event::{DomainEvent, EncodeError, EventEnvelope, EventMetadata};
use jiff::Timestamp;
use uuid::Uuid;

use super::RequestContext;
use crate::ports::{Clock, IdGenerator};

/// What a use case or an event handler works with: its transaction, the time, ids, and the events it records.
pub struct Step<'a, U: ?Sized> {
    pub(super) uow: &'a mut U,
    pub(super) context: &'a RequestContext,
    pub(super) clock: &'a dyn Clock,
    pub(super) ids: &'a dyn IdGenerator,
    pub(super) recorded: &'a mut Vec<EventEnvelope>,
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
        let id = self.next_id();
        let metadata = EventMetadata {
            id,
            time: self.now(),
            correlation_id: self.context.correlation_id,
            causation_id: self.context.causation_id,
            trace: self.context.trace.clone(),
        };
        self.recorded.push(EventEnvelope::seal(event, metadata)?);
        Ok(id)
    }
}
