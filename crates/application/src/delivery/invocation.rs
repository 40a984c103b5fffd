use std::{error::Error, marker::PhantomData, sync::Arc};

use activelog_domain::event::{DecodeError, DomainEvent, EventEnvelope};
use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};

use super::{EventHandler, FailurePolicy, HandlerError, Received, Watchdog};
use crate::{
    orchestrator::{Orchestrator, OrchestratorError, OrchestratorOptions, RequestContext, Step, Work},
    ports::{ClaimedLane, Intake, StorageError, StorageErrorKind, UnitOfWork},
};

/// How an event has come to its handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// From the broker.
    Delivered,
    /// From its lane, where it was parked.
    Parked {
        /// The lane, claimed by this worker.
        lane: ClaimedLane,
        /// The event's place in it.
        place: i64,
    },
    /// From the journal, by a replay for this handler.
    Replayed,
}

/// What an invocation that succeeded did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The handler took the event, and its effects are committed.
    Committed,
    /// The handler had taken the event before, or it is parked or a dead letter: nothing was done.
    AlreadyTaken,
    /// The handler must not have the event yet: an earlier one of its key is parked. Nothing was done.
    Behind,
    /// The event was parked: it is the retrier's now.
    Parked,
    /// The event was given up on: it is an operator's now.
    DeadLetter,
}

/// An invocation did not succeed: nothing was committed, or it is not known whether something was, and the inbox
/// will tell when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The handler failed, timed out or panicked: trying again may help.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
    /// The handler says that trying again will never help.
    #[error(transparent)]
    Permanent(Box<dyn Error + Send + Sync>),
    /// The event cannot be decoded: trying again will never help.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
    /// The process has ended too often while the handler had the event: it was not given to it.
    #[error("the process ended {times} times while the handler had the event; it was not given to it again")]
    Crashed {
        /// How often.
        times: u32,
    },
    /// The event's lane has been claimed by another worker, or the event has left it.
    #[error("another worker has the event")]
    Lost,
    /// The event is still to be taken, and nothing was done about it.
    #[doc(hidden)]
    #[error("nothing was done")]
    OnlyLooked,
    /// The surroundings failed, not the handler: the database is away, or the program is stopping. It does not count as an attempt.
    #[error(transparent)]
    Unavailable(Box<dyn Error + Send + Sync>),
}

/// One handler's way of taking envelopes; layers wrap it.
#[async_trait]
pub trait Invocation: Send + Sync + 'static {
    /// The handler's name.
    fn handler(&self) -> &'static str;

    /// What happens when it fails.
    fn policy(&self) -> FailurePolicy;

    /// Has the handler take the event, once.
    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError>;
}

/// A handler's name, its policy, the transactions it runs in, and who watches it.
pub(super) struct Surroundings<U: ?Sized> {
    pub(super) name: &'static str,
    pub(super) policy: FailurePolicy,
    orchestrator: Orchestrator<U>,
    pub(super) watchdog: Watchdog,
}

/// What a transaction is in before its handler has the event: it may wait there for another worker's.
const INTAKE: &str = "intake";

/// A handler's refusal on its way through the orchestrator.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Handler(HandlerError),
    #[error(transparent)]
    Decode(DecodeError),
    /// Nothing is wrong, and nothing is to be committed.
    #[error("nothing is to be done")]
    Nothing(Handled),
    #[error("another worker has the event")]
    Lost,
    #[error("nothing was done")]
    OnlyLooked,
}

/// What is done in the transaction, after the intake.
pub(super) type Deed<U> =
    Arc<dyn for<'a> Fn(&'a mut Step<'_, U>) -> BoxFuture<'a, Result<(), DeedError>> + Send + Sync>;

/// Why a deed was not done.
pub(super) enum DeedError {
    Handler(HandlerError),
    Decode(DecodeError),
    /// It was only asked whether it would be.
    OnlyLooked,
}

impl<U: ?Sized + UnitOfWork + 'static> Surroundings<U> {
    pub(super) fn new(
        name: &'static str,
        policy: FailurePolicy,
        orchestrator: Orchestrator<U>,
        watchdog: Watchdog,
    ) -> Self {
        Self { name, policy, orchestrator, watchdog }
    }

    /// Takes the event in, does the deed and commits.
    pub(super) async fn transact(
        &self,
        event: &Arc<EventEnvelope>,
        entry: &Entry,
        deed: Deed<U>,
    ) -> Result<Handled, InvocationError> {
        let (name, envelope, entry) = (self.name, event.clone(), entry.clone());
        let (watchdog, limit) = (self.watchdog.clone(), self.policy.time_limit);
        let context = RequestContext {
            correlation_id: event.correlation_id,
            causation_id: Some(event.id),
            trace: event.trace.clone(),
        };
        let options = OrchestratorOptions { timeout: self.policy.time_limit, ..self.orchestrator.options() };
        let work: Work<U, ()> = Arc::new(move |step, progress| {
            let (envelope, entry, deed, watchdog) = (envelope.clone(), entry.clone(), deed.clone(), watchdog.clone());
            async move {
                progress.enter(INTAKE);
                let rejected =
                    |refusal: Refusal| OrchestratorError::Rejected { use_case: name, reason: refusal.into() };
                let storage = |source: StorageError| OrchestratorError::Storage { use_case: name, source };
                take_in(step.tx(), name, &envelope, &entry).await.map_err(storage)?.map_err(rejected)?;
                progress.enter(name);
                match watchdog.watch(name, envelope.id, limit, deed(step)).await {
                    Ok(()) => Ok(()),
                    Err(DeedError::Handler(HandlerError::Storage(source))) => Err(storage(source)),
                    Err(DeedError::Handler(error)) => Err(rejected(Refusal::Handler(error))),
                    Err(DeedError::Decode(error)) => Err(rejected(Refusal::Decode(error))),
                    Err(DeedError::OnlyLooked) => Err(rejected(Refusal::OnlyLooked)),
                }
            }
            .boxed()
        });
        match self.orchestrator.transact(options, context, work).await {
            Ok(()) => Ok(Handled::Committed),
            Err(error) => classify(error, name),
        }
    }
}

/// Records that the event is taken, as the way it came demands.
async fn take_in<U: ?Sized + UnitOfWork>(
    uow: &mut U,
    handler: &str,
    event: &EventEnvelope,
    entry: &Entry,
) -> Result<Result<(), Refusal>, StorageError> {
    let intake = match entry {
        Entry::Delivered => uow.inbox().record(handler, event.id, &event.partition_key).await?,
        Entry::Replayed => uow.inbox().record_replayed(handler, event).await?,
        Entry::Parked { lane, place } => {
            let taken = uow.parking().take(lane, *place).await?;
            return Ok(if taken { Ok(()) } else { Err(Refusal::Lost) });
        }
    };
    Ok(match intake {
        Intake::New => Ok(()),
        Intake::AlreadyTaken => Err(Refusal::Nothing(Handled::AlreadyTaken)),
        Intake::Behind => Err(Refusal::Nothing(Handled::Behind)),
    })
}

/// The innermost invocation: intake, handler and its own events in one transaction.
pub(super) struct TransactionalInvocation<E, U: ?Sized, H> {
    handler: Arc<H>,
    surroundings: Surroundings<U>,
    event: PhantomData<fn(E)>,
}

impl<E: DomainEvent, U: ?Sized + UnitOfWork + 'static, H: EventHandler<E, U>> TransactionalInvocation<E, U, H> {
    pub(super) fn new(handler: Arc<H>, surroundings: Surroundings<U>) -> Self {
        Self { handler, surroundings, event: PhantomData }
    }
}

#[async_trait]
impl<E: DomainEvent, U: ?Sized + UnitOfWork + 'static, H: EventHandler<E, U>> Invocation
    for TransactionalInvocation<E, U, H>
{
    fn handler(&self) -> &'static str {
        self.surroundings.name
    }

    fn policy(&self) -> FailurePolicy {
        self.surroundings.policy
    }

    async fn invoke(&self, envelope: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        let (handler, given) = (self.handler.clone(), envelope.clone());
        let deed: Deed<U> = Arc::new(move |step| {
            let (handler, envelope) = (handler.clone(), given.clone());
            async move {
                let event = envelope.open::<E>().map_err(DeedError::Decode)?;
                let received = Received { event, envelope: &envelope };
                handler.handle(&received, step).await.map_err(DeedError::Handler)
            }
            .boxed()
        });
        self.surroundings.transact(envelope, entry, deed).await
    }
}

/// Tells the failures of `handler` from those of its surroundings.
fn classify(error: OrchestratorError, handler: &'static str) -> Result<Handled, InvocationError> {
    Err(match error {
        OrchestratorError::Rejected { use_case, reason } => match reason.downcast::<Refusal>() {
            Ok(refusal) => match *refusal {
                Refusal::Nothing(handled) => return Ok(handled),
                Refusal::Lost => InvocationError::Lost,
                Refusal::OnlyLooked => InvocationError::OnlyLooked,
                Refusal::Decode(error) => InvocationError::Undecodable(error),
                Refusal::Handler(error) => of_handler(error),
            },
            Err(reason) => InvocationError::Failed(OrchestratorError::Rejected { use_case, reason }.into()),
        },
        OrchestratorError::Storage { ref source, .. } if source.is_transient() => {
            InvocationError::Unavailable(error.into())
        }
        OrchestratorError::Storage { source, .. } if source.kind == StorageErrorKind::Fenced => InvocationError::Lost,
        // A database that does not answer to begin, intake or commit is not the handler's doing.
        OrchestratorError::TimedOut { use_case, .. } if use_case != handler => {
            InvocationError::Unavailable(error.into())
        }
        OrchestratorError::Unknown { .. } | OrchestratorError::Closed => InvocationError::Unavailable(error.into()),
        other => InvocationError::Failed(other.into()),
    })
}

/// What a handler's own word means.
pub(super) fn of_handler(error: HandlerError) -> InvocationError {
    match error {
        HandlerError::Permanent(source) => InvocationError::Permanent(source),
        HandlerError::Retry(source) => InvocationError::Failed(source),
        HandlerError::Storage(source) if source.is_transient() => InvocationError::Unavailable(source.into()),
        HandlerError::Storage(source) => InvocationError::Failed(source.into()),
    }
}
