use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use super::{CheckedChain, OrchestratorError, RequestContext, Run, Step, step::Recorded};
use crate::ports::{Clock, CommitError, IdGenerator, Isolation, TransactionOptions, UnitOfWork, UnitOfWorkFactory};

/// How transactions are run unless a run says otherwise.
#[derive(Debug, Clone, Copy)]
pub struct OrchestratorOptions {
    /// How long a transaction may take, from begin to commit.
    pub timeout: Duration,
    /// How far it is kept apart from others.
    pub isolation: Isolation,
    /// How often it is tried in all when others are in the way.
    pub attempts: u32,
    /// How long a caller waits for the answer to a commit beyond the timeout, before the outcome counts as unknown.
    pub commit_grace: Duration,
}

impl Default for OrchestratorOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            isolation: Isolation::ReadCommitted,
            attempts: 8,
            commit_grace: Duration::from_secs(10),
        }
    }
}

/// Runs work in transactions: chains of use cases, and event handlers. Cheap to clone.
pub struct Orchestrator<U: ?Sized>(Arc<Shared<U>>);

struct Shared<U: ?Sized> {
    factory: Arc<dyn UnitOfWorkFactory<U>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
    options: OrchestratorOptions,
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl<U: ?Sized> Clone for Orchestrator<U> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What runs inside the transaction. It gets the step and a note of which use case it is in.
pub(crate) type Work<U, T> =
    Arc<dyn for<'a> Fn(&'a mut Step<'_, U>, &'a Progress) -> BoxFuture<'a, Result<T, OrchestratorError>> + Send + Sync>;

/// Which use case is running, for errors that cannot come from the use case itself.
#[derive(Clone)]
pub(crate) struct Progress(Arc<std::sync::Mutex<&'static str>>);

impl Progress {
    fn new() -> Self {
        Self(Arc::new(std::sync::Mutex::new("begin")))
    }

    pub(crate) fn enter(&self, name: &'static str) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = name;
    }

    fn current(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Who decides the outcome: the task that commits, or the caller that gives up. Exactly one of the two transitions from `RUNNING` happens.
struct Verdict(AtomicU8);

const RUNNING: u8 = 0;
const COMMITTING: u8 = 1;
const ABANDONED: u8 = 2;

impl Verdict {
    fn decide(&self, outcome: u8) -> bool {
        self.0.compare_exchange(RUNNING, outcome, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl<U: ?Sized + UnitOfWork + 'static> Orchestrator<U> {
    /// An orchestrator over `factory`.
    pub fn new(
        factory: Arc<dyn UnitOfWorkFactory<U>>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGenerator>,
        options: OrchestratorOptions,
    ) -> Self {
        let (tasks, abort) = (TaskTracker::new(), CancellationToken::new());
        Self(Arc::new(Shared { factory, clock, ids, options, tasks, abort }))
    }

    /// Runs `chain` on `input` in one transaction: set what differs from the defaults, then await it.
    pub fn run<I: Send + Sync + 'static>(&self, chain: &CheckedChain<U, I>, input: I) -> Run<U> {
        Run::new(self.clone(), chain, input)
    }

    /// The defaults.
    pub fn options(&self) -> OrchestratorOptions {
        self.0.options
    }

    /// A new id.
    pub fn next_id(&self) -> uuid::Uuid {
        self.0.ids.next_id()
    }

    /// Takes no new work and waits for what is running, also for work whose callers are gone.
    pub async fn close(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Takes no new work and drops what is running where it stands, as the end of the process would: what has not committed is rolled back.
    pub fn abort(&self) {
        self.0.tasks.close();
        self.0.abort.cancel();
    }

    /// Runs `work` in a transaction, in a task of its own, and waits for the outcome. Dropping the returned future lets the work
    /// go on to its end.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        options: OrchestratorOptions,
        context: RequestContext,
        work: Work<U, T>,
    ) -> Result<T, OrchestratorError> {
        // Counted before the question, so that `close` either is seen here or waits for this.
        let counted = self.0.tasks.token();
        if self.0.tasks.is_closed() {
            return Err(OrchestratorError::Closed);
        }
        let deadline = Instant::now() + options.timeout;
        let verdict = Arc::new(Verdict(AtomicU8::new(RUNNING)));
        let progress = Progress::new();
        let attempts = Attempts {
            shared: self.0.clone(),
            options,
            context,
            deadline,
            verdict: verdict.clone(),
            progress: progress.clone(),
        };
        let abort = self.0.abort.clone();
        let work = async move {
            let reason = || "the program stopped in the middle of it".into();
            let aborted = || Err(OrchestratorError::Unknown { reason: reason() });
            abort.run_until_cancelled(attempts.run(work)).await.unwrap_or_else(aborted)
        };
        let mut task = self.0.tasks.spawn(work.in_current_span());
        drop(counted);
        // The task keeps to the deadline itself; the grace is for its rollback.
        if let Ok(done) = timeout_at(deadline + Duration::from_secs(1), &mut task).await {
            return done.unwrap_or_else(|e| Err(join_failed(e, &progress, &verdict)));
        }
        if verdict.decide(ABANDONED) {
            return Err(OrchestratorError::TimedOut { use_case: progress.current(), after: options.timeout });
        }
        match tokio::time::timeout(options.commit_grace, &mut task).await {
            Ok(done) => done.unwrap_or_else(|e| Err(join_failed(e, &progress, &verdict))),
            Err(elapsed) => Err(OrchestratorError::Unknown { reason: elapsed.into() }),
        }
    }
}

/// The task ended without a result: it panicked outside of the work, or the runtime is shutting down in the middle of it.
fn join_failed(error: tokio::task::JoinError, progress: &Progress, verdict: &Verdict) -> OrchestratorError {
    let committing = verdict.0.load(Ordering::Acquire) == COMMITTING;
    match error.try_into_panic() {
        Ok(panic) if committing => {
            OrchestratorError::Unknown { reason: format!("the commit panicked: {}", panic_message(&*panic)).into() }
        }
        Ok(panic) => OrchestratorError::Panicked { use_case: progress.current(), message: panic_message(&*panic) },
        Err(cancelled) => OrchestratorError::Unknown { reason: cancelled.into() },
    }
}

/// The message of a panic, as far as it has one.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// One transaction, tried as often as contention demands and the deadline allows.
struct Attempts<U: ?Sized> {
    shared: Arc<Shared<U>>,
    options: OrchestratorOptions,
    context: RequestContext,
    deadline: Instant,
    verdict: Arc<Verdict>,
    progress: Progress,
}

impl<U: ?Sized + UnitOfWork + 'static> Attempts<U> {
    async fn run<T>(self, work: Work<U, T>) -> Result<T, OrchestratorError> {
        let mut attempt = 1;
        loop {
            let error = match self.once(&work).await {
                Err(error) if error.is_contention() && attempt < self.options.attempts => error,
                result => return result,
            };
            let pause = Duration::from_millis(fastrand::u64(1..=5 * (1 << attempt.min(8))));
            if Instant::now() + pause >= self.deadline {
                return Err(error);
            }
            tracing::debug!(attempt, ?pause, %error, "another transaction was in the way; running again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn once<T>(&self, work: &Work<U, T>) -> Result<T, OrchestratorError> {
        self.progress.enter("begin");
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        let options =
            TransactionOptions { defer_writes: true, ..TransactionOptions::new(self.options.isolation, remaining) };
        let begun = timeout_at(self.deadline, self.shared.factory.begin(options)).await;
        let mut uow = begun.map_err(|_| self.timed_out())?.map_err(|e| self.storage(e))?;
        let mut recorded = Recorded::default();
        let outcome =
            timeout_at(self.deadline, AssertUnwindSafe(self.fill(&mut *uow, &mut recorded, work)).catch_unwind());
        let value = match outcome.await {
            Ok(Ok(Ok(value))) => value,
            Ok(Ok(Err(error))) => return self.undo(uow, error).await,
            Ok(Err(panic)) => {
                let error =
                    OrchestratorError::Panicked { use_case: self.progress.current(), message: panic_message(&*panic) };
                return self.undo(uow, error).await;
            }
            Err(_) => return self.undo(uow, self.timed_out()).await,
        };
        self.progress.enter("commit");
        if !self.verdict.decide(COMMITTING) {
            return self.undo(uow, self.timed_out()).await;
        }
        let committed = uow.commit().await;
        // Running again after a rolled back commit is a new decision.
        match committed {
            Ok(()) => Ok(value),
            Err(CommitError::RolledBack(source)) => {
                self.verdict.0.store(RUNNING, Ordering::Release);
                Err(self.storage(source))
            }
            Err(CommitError::Unknown(source)) => Err(OrchestratorError::Unknown { reason: source.into() }),
        }
    }

    /// Does the work and puts what it recorded into the outbox.
    async fn fill<T>(&self, uow: &mut U, recorded: &mut Recorded, work: &Work<U, T>) -> Result<T, OrchestratorError> {
        let shared = &*self.shared;
        let mut step = Step { uow, context: &self.context, clock: &*shared.clock, ids: &*shared.ids, recorded };
        let value = work(&mut step, &self.progress).await?;
        if !recorded.events.is_empty() {
            self.progress.enter("outbox");
            uow.outbox().append(&recorded.events).await.map_err(|e| self.storage(e))?;
        }
        for (event, due) in &recorded.scheduled {
            self.progress.enter("schedule");
            uow.outbox().schedule(event, *due).await.map_err(|e| self.storage(e))?;
        }
        Ok(value)
    }

    /// Rolls back in the background of the error: a database that does not answer must not hold it up.
    async fn undo<T>(&self, uow: Box<U>, error: OrchestratorError) -> Result<T, OrchestratorError> {
        if tokio::time::timeout(Duration::from_secs(1), uow.rollback()).await.is_err() {
            tracing::warn!(%error, "the rollback takes long; the database ends the transaction when the connection is dropped");
        }
        Err(error)
    }

    fn timed_out(&self) -> OrchestratorError {
        OrchestratorError::TimedOut { use_case: self.progress.current(), after: self.options.timeout }
    }

    fn storage(&self, source: crate::ports::StorageError) -> OrchestratorError {
        OrchestratorError::Storage { use_case: self.progress.current(), source }
    }
}
