use std::error::Error;

use activelog_domain::event::{DomainEvent, EncodeError, EventEnvelope};
use async_trait::async_trait;

use super::FailurePolicy;
use crate::{orchestrator::Step, ports::StorageError};

/// Reacts to an event of type `E`, in a transaction of its own.
///
/// - **Once**: the inbox records the event in the same transaction, so what `handle` does through `step` takes effect once, however
///   often the event arrives. Effects outside the database carry the event's id as their idempotency key.
/// - **In order**: events of one aggregate come one after the other. Events of different aggregates come at the same time.
/// - **Again**: after an error, or when others were in the way, `handle` is called again in a fresh transaction.
/// - It is dropped at any await point when the time limit passes.
#[async_trait]
pub trait EventHandler<E: DomainEvent, U: ?Sized + Send>: Send + Sync + 'static {
    /// The handler's stable name: its key in the inbox. Never change it, or every event of the past counts as new.
    fn name(&self) -> &'static str;

    /// What happens when it fails, where it differs from what is configured for all.
    fn failure_policy(&self) -> Option<FailurePolicy> {
        None
    }

    /// Takes the event. Says whether trying again may help; when and how often is not the handler's concern.
    async fn handle(&self, event: &Received<'_, E>, step: &mut Step<'_, U>) -> Result<(), HandlerError>;
}

/// Reacts to an event of type `E` outside of the database: sends a message, calls a service.
///
/// - `perform` runs outside of any transaction, so a slow receiver holds up no other work. It is called **at least once**: again after an
///   error, and when the process ended before its success was written down. The event's id is the idempotency key for whoever receives it.
/// - `record` then notes what came of it, once, in the transaction that records the event as taken.
/// - Order and failures are as for an [`EventHandler`].
/// - It is dropped at any await point when the time limit passes.
#[async_trait]
pub trait EffectHandler<E: DomainEvent, U: ?Sized + Send>: Send + Sync + 'static {
    /// What `perform` has achieved, for `record`.
    type Effect: Send + 'static;

    /// The handler's stable name: its key in the inbox. Never change it, or every event of the past counts as new.
    fn name(&self) -> &'static str;

    /// What happens when it fails, where it differs from what is configured for all.
    fn failure_policy(&self) -> Option<FailurePolicy> {
        None
    }

    /// Does it. Says whether trying again may help.
    async fn perform(&self, event: &Received<'_, E>) -> Result<Self::Effect, HandlerError>;

    /// Notes that it is done, in the transaction that records the event as taken. May be called again with the same effect when others
    /// were in the way; an error counts as a failed attempt, and `perform` is called again.
    async fn record(
        &self,
        event: &Received<'_, E>,
        effect: &Self::Effect,
        step: &mut Step<'_, U>,
    ) -> Result<(), HandlerError>;
}

/// A handler whose effects can be made anew from the journal, because they are nothing but a function of the events.
///
/// Its events may come again, in another order among aggregates: what it tells anybody needs an id made from what it tells, so that it is told once.
#[async_trait]
pub trait Projection<U: ?Sized + Send>: Send + Sync + 'static {
    /// The handler's name.
    fn name(&self) -> &'static str;

    /// Removes up to `limit` rows of what the handler has made. Answers how many; 0 when nothing is left.
    async fn clear(&self, limit: u32, step: &mut Step<'_, U>) -> Result<u64, StorageError>;
}

/// An event as a handler gets it.
#[derive(Debug)]
pub struct Received<'a, E> {
    /// The event.
    pub event: E,
    /// The envelope it came in.
    pub envelope: &'a EventEnvelope,
}

/// A handler did not take an event.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// Trying again may help.
    #[error(transparent)]
    Retry(Box<dyn Error + Send + Sync>),
    /// Trying again will never help.
    #[error(transparent)]
    Permanent(Box<dyn Error + Send + Sync>),
    /// Storage failed: whether trying again helps, the error knows.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl HandlerError {
    /// Trying again may help.
    pub fn retry(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Retry(reason.into())
    }

    /// Trying again will never help.
    pub fn permanent(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent(reason.into())
    }
}

impl From<EncodeError> for HandlerError {
    fn from(error: EncodeError) -> Self {
        Self::permanent(error)
    }
}
