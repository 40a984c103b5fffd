use std::{future::IntoFuture, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    CheckedChain, Orchestrator, OrchestratorError, OrchestratorOptions, Outputs, RequestContext, Step, UseCaseError,
    engine::{Progress, Work},
    use_case::ErasedUseCase,
    values::Values,
};
use crate::ports::{Claim, IdempotencyKey, Isolation, StoredResponse, UnitOfWork};

/// A chain about to run. Awaiting it runs it.
pub struct Run<U: ?Sized> {
    orchestrator: Orchestrator<U>,
    steps: Arc<[Arc<dyn ErasedUseCase<U>>]>,
    input: Values,
    options: OrchestratorOptions,
    context: Option<RequestContext>,
}

/// A chain about to run at most once per idempotency key.
pub struct IdempotentRun<U: ?Sized> {
    run: Run<U>,
    key: IdempotencyKey,
    encode: Encode,
}

type Encode = Arc<dyn Fn(&Outputs) -> StoredResponse + Send + Sync>;

/// What became of an idempotent run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotentOutcome {
    /// It ran now, with this answer.
    Done(StoredResponse),
    /// It had run before, with this answer.
    Replayed(StoredResponse),
}

impl<U: ?Sized + UnitOfWork + 'static> Run<U> {
    pub(super) fn new<I: Send + Sync + 'static>(
        orchestrator: Orchestrator<U>,
        chain: &CheckedChain<U, I>,
        input: I,
    ) -> Self {
        let mut values = Values::default();
        values.insert(Arc::new(input));
        let options = orchestrator.options();
        Self { orchestrator, steps: chain.steps.clone(), input: values, options, context: None }
    }

    /// With another timeout, from begin to commit.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = timeout;
        self
    }

    /// With another isolation.
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.options.isolation = isolation;
        self
    }

    /// As part of what `context` describes.
    #[must_use]
    pub fn context(mut self, context: RequestContext) -> Self {
        self.context = Some(context);
        self
    }

    /// At most once per `key`. `encode` makes the answer that is kept, in the same transaction, and given to whoever
    /// asks again.
    pub fn idempotent(
        self,
        key: IdempotencyKey,
        encode: impl Fn(&Outputs) -> StoredResponse + Send + Sync + 'static,
    ) -> IdempotentRun<U> {
        IdempotentRun { run: self, key, encode: Arc::new(encode) }
    }

    fn start<T: Send + 'static>(self, work: Work<U, T>) -> BoxFuture<'static, Result<T, OrchestratorError>> {
        let context = self.context.unwrap_or_else(|| RequestContext::new(self.orchestrator.next_id()));
        let (orchestrator, options) = (self.orchestrator, self.options);
        async move { orchestrator.transact(options, context, work).await }.boxed()
    }
}

impl<U: ?Sized + UnitOfWork + 'static> IntoFuture for Run<U> {
    type Output = Result<Outputs, OrchestratorError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let (steps, input) = (self.steps.clone(), self.input.clone());
        self.start(Arc::new(move |step, progress| {
            let (steps, input) = (steps.clone(), input.clone());
            async move { run_steps(&steps, &input, step, progress).await }.boxed()
        }))
    }
}

impl<U: ?Sized + UnitOfWork + 'static> IntoFuture for IdempotentRun<U> {
    type Output = Result<IdempotentOutcome, OrchestratorError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { run, key, encode } = self;
        let (steps, input) = (run.steps.clone(), run.input.clone());
        run.start(Arc::new(move |step, progress| {
            let (steps, input, key, encode) = (steps.clone(), input.clone(), key.clone(), encode.clone());
            async move {
                const STAGE: &str = "idempotency";
                progress.enter(STAGE);
                let storage = |source| OrchestratorError::Storage { use_case: STAGE, source };
                match step.tx().idempotency().claim(&key).await.map_err(storage)? {
                    Claim::Answered(response) => return Ok(IdempotentOutcome::Replayed(response)),
                    Claim::Mismatch => return Err(OrchestratorError::KeyReused),
                    Claim::New => {}
                }
                let outputs = run_steps(&steps, &input, step, progress).await?;
                let response = encode(&outputs);
                progress.enter(STAGE);
                step.tx().idempotency().answer(&key, &response).await.map_err(storage)?;
                Ok(IdempotentOutcome::Done(response))
            }
            .boxed()
        }))
    }
}

/// Runs the use cases in order, each in a span of its own.
async fn run_steps<U: ?Sized + Send>(
    steps: &[Arc<dyn ErasedUseCase<U>>],
    input: &Values,
    step: &mut Step<'_, U>,
    progress: &Progress,
) -> Result<Outputs, OrchestratorError> {
    let mut outputs = Outputs::default();
    for use_case in steps {
        let name = use_case.name();
        progress.enter(name);
        let started = Instant::now();
        // At the level of the lines in it: a span that nobody asked for costs nothing.
        let span = tracing::debug_span!("use_case", name, correlation_id = %step.context().correlation_id);
        let result = use_case.execute(step, input, &mut outputs.0).instrument(span).await;
        let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        match result {
            Ok(()) => tracing::debug!(use_case = name, duration_us, "use case done"),
            Err(error) => {
                tracing::debug!(use_case = name, duration_us, %error, "use case failed; rolling back");
                return Err(match error {
                    UseCaseError::Rejected(reason) => OrchestratorError::Rejected { use_case: name, reason },
                    UseCaseError::Storage(source) => OrchestratorError::Storage { use_case: name, source },
                });
            }
        }
    }
    Ok(outputs)
}
