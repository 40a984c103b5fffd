use std::{error::Error, marker::PhantomData, sync::Arc, time::Duration};

use activelog_domain::event::{DomainEvent, EventEnvelope};
use async_trait::async_trait;
use futures::FutureExt;

use super::{EventHandler, HandlerError, Received};
use crate::{
    orchestrator::{Orchestrator, OrchestratorError, OrchestratorOptions, RequestContext},
    ports::{Intake, StorageError, UnitOfWork},
};

/// What an invocation that succeeded did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The handler took the event, and its effects are committed.
    Committed,
    /// The handler had taken the event before: nothing was done.
    AlreadyTaken,
}

/// An invocation did not succeed: nothing was committed, or it is not known whether something was, and the inbox
/// will tell when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The handler failed, timed out or panicked: trying again may help.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
    /// Trying again will never help: the handler says so, or the event cannot be decoded.
    #[error(transparent)]
    Permanent(Box<dyn Error + Send + Sync>),
    /// Quick attempts are used up, or none will help: the event is to come again after a pause, and its aggregate waits for it.
    #[error("{source}")]
    Held {
        /// How long to wait.
        pause: Duration,
        /// What the last attempt failed with.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The surroundings failed, not the handler: the database is away, or the program is stopping. It does not count as an attempt.
    #[error(transparent)]
    Unavailable(Box<dyn Error + Send + Sync>),
}

/// One handler's way of taking envelopes; layers wrap it.
#[async_trait]
pub trait Invocation: Send + Sync + 'static {
    /// The handler's name.
    fn handler(&self) -> &'static str;

    /// Has the handler take the event, once.
    async fn invoke(&self, event: &Arc<EventEnvelope>) -> Result<Handled, InvocationError>;
}

/// The innermost invocation: inbox, handler and its own events in one transaction.
pub(super) struct TransactionalInvocation<E, U: ?Sized, H> {
    handler: Arc<H>,
    name: &'static str,
    orchestrator: Orchestrator<U>,
    options: OrchestratorOptions,
    event: PhantomData<fn(E)>,
}

/// What the handler's transaction came to, as far as it is the handler's word.
enum Taken {
    Committed,
    AlreadyTaken,
    Behind,
}

/// A handler's refusal on its way through the orchestrator.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(HandlerError);

impl<E: DomainEvent, U: ?Sized + UnitOfWork + 'static, H: EventHandler<E, U>> TransactionalInvocation<E, U, H> {
    pub(super) fn new(handler: Arc<H>, orchestrator: Orchestrator<U>, options: OrchestratorOptions) -> Self {
        let name = handler.name();
        Self { handler, name, orchestrator, options, event: PhantomData }
    }
}

#[async_trait]
impl<E: DomainEvent, U: ?Sized + UnitOfWork + 'static, H: EventHandler<E, U>> Invocation
    for TransactionalInvocation<E, U, H>
{
    fn handler(&self) -> &'static str {
        self.name
    }

    async fn invoke(&self, envelope: &Arc<EventEnvelope>) -> Result<Handled, InvocationError> {
        let (handler, name, envelope) = (self.handler.clone(), self.name, envelope.clone());
        let context = RequestContext {
            correlation_id: envelope.correlation_id,
            causation_id: Some(envelope.id),
            trace: envelope.trace.clone(),
        };
        let taken = self.orchestrator.transact(
            self.options,
            context,
            Arc::new(move |step, progress| {
                let (handler, envelope) = (handler.clone(), envelope.clone());
                async move {
                    progress.enter(name);
                    let storage = |source: StorageError| OrchestratorError::Storage { use_case: name, source };
                    let rejected = |error: HandlerError| OrchestratorError::Rejected {
                        use_case: name,
                        reason: Refusal(error).into(),
                    };
                    match step.tx().inbox().record(name, envelope.id, &envelope.partition_key).await.map_err(storage)? {
                        Intake::New => {}
                        Intake::AlreadyTaken => return Ok(Taken::AlreadyTaken),
                        Intake::Behind => return Ok(Taken::Behind),
                    }
                    let event = envelope.open::<E>().map_err(|e| rejected(HandlerError::permanent(e)))?;
                    match handler.handle(&Received { event, envelope: &envelope }, step).await {
                        Ok(()) => Ok(Taken::Committed),
                        Err(HandlerError::Storage(source)) => Err(storage(source)),
                        Err(error) => Err(rejected(error)),
                    }
                }
                .boxed()
            }),
        );
        match taken.await {
            Ok(Taken::Committed) => Ok(Handled::Committed),
            Ok(Taken::AlreadyTaken) => Ok(Handled::AlreadyTaken),
            Ok(Taken::Behind) => Err(InvocationError::Unavailable("an earlier event of its key is parked".into())),
            Err(error) => Err(classify(error, name)),
        }
    }
}

/// Tells the failures of `handler` from those of its surroundings.
fn classify(error: OrchestratorError, handler: &'static str) -> InvocationError {
    match error {
        OrchestratorError::Rejected { use_case, reason } => match reason.downcast::<Refusal>().map(|r| r.0) {
            Ok(HandlerError::Permanent(source)) => InvocationError::Permanent(source),
            Ok(HandlerError::Retry(source)) => InvocationError::Failed(source),
            Ok(HandlerError::Storage(source)) => InvocationError::Failed(source.into()),
            Err(reason) => InvocationError::Failed(OrchestratorError::Rejected { use_case, reason }.into()),
        },
        OrchestratorError::Storage { ref source, .. } if source.is_transient() => {
            InvocationError::Unavailable(error.into())
        }
        // A database that does not answer to begin or commit is not the handler's doing.
        OrchestratorError::TimedOut { use_case, .. } if use_case != handler => {
            InvocationError::Unavailable(error.into())
        }
        OrchestratorError::Unknown { .. } | OrchestratorError::Closed => InvocationError::Unavailable(error.into()),
        other => InvocationError::Failed(other.into()),
    }
}
