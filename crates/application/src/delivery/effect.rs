use std::{marker::PhantomData, panic::AssertUnwindSafe, sync::Arc};

use activelog_domain::event::{DomainEvent, EventEnvelope};
use async_trait::async_trait;
use futures::FutureExt;
use tokio::sync::Mutex;

use super::{
    EffectHandler, Entry, FailurePolicy, Handled, Invocation, InvocationError, Received,
    invocation::{Deed, DeedError, Surroundings, of_handler},
};
use crate::{orchestrator::panic_message, ports::UnitOfWork};

/// The innermost invocation of a handler with effects outside of the database: performs them, then records that in a transaction.
pub(super) struct EffectInvocation<E, U: ?Sized, H> {
    handler: Arc<H>,
    surroundings: Surroundings<U>,
    event: PhantomData<fn(E)>,
}

impl<E: DomainEvent, U: ?Sized + UnitOfWork + 'static, H: EffectHandler<E, U>> EffectInvocation<E, U, H> {
    pub(super) fn new(handler: Arc<H>, surroundings: Surroundings<U>) -> Self {
        Self { handler, surroundings, event: PhantomData }
    }

    /// Whether the event is still to be taken, so that what was done before is not done again. `None` when it is.
    async fn look(&self, envelope: &Arc<EventEnvelope>, entry: &Entry) -> Result<Option<Handled>, InvocationError> {
        let never: Deed<U> = Arc::new(|_| async { Err(DeedError::OnlyLooked) }.boxed());
        match self.surroundings.transact(envelope, entry, never).await {
            Err(InvocationError::OnlyLooked) => Ok(None),
            Ok(handled) => Ok(Some(handled)),
            Err(error) => Err(error),
        }
    }

    async fn perform(&self, received: &Received<'_, E>) -> Result<H::Effect, InvocationError> {
        let Surroundings { name, policy, watchdog, .. } = &self.surroundings;
        let limit = policy.time_limit;
        let performed = watchdog.watch(name, received.envelope.id, limit, self.handler.perform(received));
        let performed = AssertUnwindSafe(performed).catch_unwind();
        match tokio::time::timeout(limit, performed).await {
            Ok(Ok(Ok(effect))) => Ok(effect),
            Ok(Ok(Err(error))) => Err(of_handler(error)),
            Ok(Err(panic)) => {
                let message = panic_message(&*panic);
                Err(InvocationError::Failed(format!("{name} panicked: {message}").into()))
            }
            Err(_) => {
                Err(InvocationError::Failed(format!("{name} did not answer within {limit:?} and was cut off").into()))
            }
        }
    }
}

#[async_trait]
impl<E: DomainEvent + Clone, U: ?Sized + UnitOfWork + 'static, H: EffectHandler<E, U>> Invocation
    for EffectInvocation<E, U, H>
{
    fn handler(&self) -> &'static str {
        self.surroundings.name
    }

    fn policy(&self) -> FailurePolicy {
        self.surroundings.policy
    }

    async fn invoke(&self, envelope: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        if let Some(handled) = self.look(envelope, entry).await? {
            return Ok(handled);
        }
        let event = envelope.open::<E>()?;
        let effect = self.perform(&Received { event: event.clone(), envelope }).await?;
        // The transaction may run more than once: what it notes is shared among its runs.
        let noted = Arc::new((event, Mutex::new(effect)));
        let (handler, given) = (self.handler.clone(), envelope.clone());
        let deed: Deed<U> = Arc::new(move |step| {
            let (handler, envelope, noted) = (handler.clone(), given.clone(), noted.clone());
            async move {
                let received = Received { event: noted.0.clone(), envelope: &envelope };
                let effect = noted.1.lock().await;
                handler.record(&received, &effect, step).await.map_err(DeedError::Handler)
            }
            .boxed()
        });
        self.surroundings.transact(envelope, entry, deed).await
    }
}
