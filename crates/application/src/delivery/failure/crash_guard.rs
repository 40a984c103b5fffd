use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use super::void_marks::VoidMarks;
use crate::{
    delivery::{Entry, FailurePolicy, Handled, Invocation, InvocationError, Layer},
    ports::{CrashMarks, StorageError},
};

/// Recognises an event whose handler ends the process: by `abort`, a stack overflow, or taking all memory.
///
/// Nothing in the process can tell afterwards, so it has to be written down before: a mark, erased when the handler has answered. Marking
/// every event would cost a durable write each. Instead:
///
/// - A worker notes that it runs, and erases the note when it stops in order. One that starts and finds the note of a run that is no more
///   is **cautious**: among the first events that come are those that were being handled when that run ended. Until it has seen enough of them, or half a
///   minute has passed, events are marked, and handled one at a time, so that the mark which is left by another crash is of the event that caused it. The more
///   runs have ended so in the last minutes, the longer it is cautious.
/// - Parked events are always marked. One that has a mark left is tried alone, and not in the first seconds of a run.
/// - An event with as many marks as its handler's [`FailurePolicy::crashes`] is not given to it any more: it becomes a dead letter.
///
/// Killing a worker from outside leaves marks on innocent events: those that were parked and just tried, and one that was delivered while the worker was
/// cautious. The next attempt that answers erases them.
#[derive(Clone)]
pub struct CrashGuard(Arc<Guard>);

struct Guard {
    marks: Arc<dyn CrashMarks>,
    group: String,
    run: Uuid,
    began: Instant,
    /// How many events are still to be taken one at a time.
    cautious: AtomicU64,
    /// Shared by the layers whose suspects are alone among all of them.
    alone: Arc<Mutex<()>>,
    /// The runs that had not ended when this one began, and when they were last seen; without those that turned out to go on.
    earlier: Mutex<Vec<(Uuid, Timestamp)>>,
    void: VoidMarks,
}

/// An event that ends the process may come after others that were waiting before it, so the window grows with every run that has ended early.
const WINDOW_GROWTH: u64 = 4;

/// How long a run has to last before an event with a mark is tried. Runs that are killed from outside again and again, within moments of
/// their start, would otherwise blame whichever event comes first.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// How long an attempt that has to be alone may keep others waiting. Most that end the process do so at once; one that takes longer ends it beside
/// another attempt at times, which then has a mark too, until it answers.
const ALONE_FOR: Duration = Duration::from_secs(1);

/// How long a run is cautious at most. An event that ends the process and comes later than that ends it unmarked; what came before it is taken by
/// then, so the next run meets it sooner.
const CAUTIOUS_FOR: Duration = Duration::from_secs(30);

/// How many runs the window grows with.
const RUNS_MAX: u32 = 4;

/// How long a run has to last before what ended earlier ones counts as dealt with.
const CONFIDENT_AFTER: Duration = Duration::from_secs(10 * 60);

impl CrashGuard {
    /// Notes that run `run` of `group` has begun. Cautious for `window` events, the most that can have been under way at once, when an earlier
    /// run did not end in order, and for more when several did not.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(
        marks: Arc<dyn CrashMarks>,
        group: impl Into<String>,
        run: Uuid,
        window: u64,
    ) -> Result<Self, StorageError> {
        let group = group.into();
        let earlier = marks.runs(&group).await?;
        marks.running(&group, run).await?;
        let cautious = match u32::try_from(earlier.len()).unwrap_or(RUNS_MAX) {
            0 => 0,
            runs => window.max(1).saturating_mul(WINDOW_GROWTH.saturating_pow(runs.min(RUNS_MAX) - 1)),
        };
        if cautious > 0 {
            tracing::info!(%group, earlier_runs = earlier.len(), events = cautious,
                "an earlier run did not stop in order, or others are running; handling events one at a time at first");
        }
        Ok(Self(Arc::new(Guard {
            marks,
            group,
            run,
            began: Instant::now(),
            cautious: AtomicU64::new(cautious),
            alone: Arc::default(),
            earlier: Mutex::new(earlier),
            void: VoidMarks::default(),
        })))
    }

    /// Says that the run goes on, and looks whether the runs before it do. To be called every few seconds.
    pub async fn keep(&self) -> Result<(), StorageError> {
        let guard = &self.0;
        guard.marks.running(&guard.group, guard.run).await?;
        let mut earlier = guard.earlier.lock().await;
        if earlier.is_empty() {
            return Ok(());
        }
        let now = guard.marks.runs(&guard.group).await?;
        // Those that have said so since go on; those that are no longer there have ended in order, or have been dealt with by another.
        earlier.retain(|run| now.contains(run));
        if earlier.is_empty() && guard.cautious.swap(0, Ordering::AcqRel) > 0 {
            tracing::info!(group = %guard.group, "no earlier run has ended out of order; handling events side by side");
        }
        if !self.is_cautious() && guard.began.elapsed() >= CONFIDENT_AFTER {
            let runs: Vec<_> = earlier.drain(..).map(|(run, _)| run).collect();
            guard.marks.ended(&guard.group, &runs).await?;
        }
        Ok(())
    }

    /// The run ends in order: everything it had begun has been settled, or dropped without the process having ended.
    pub async fn end(&self) -> Result<(), StorageError> {
        for (handler, event) in self.0.void.innocent() {
            self.0.marks.erase(handler, event).await?;
        }
        self.0.marks.ended(&self.0.group, &[self.0.run]).await
    }

    /// The layer that goes around every attempt.
    pub fn layer(&self) -> CrashGuardLayer {
        CrashGuardLayer { guard: self.clone(), alone: self.0.alone.clone() }
    }

    /// The same for handlers that wait for others outside: their suspects are tried alone among themselves, so that no other handler's
    /// suspects wait for a slow receiver.
    pub fn layer_apart(&self) -> CrashGuardLayer {
        CrashGuardLayer { guard: self.clone(), alone: Arc::default() }
    }

    /// Whether events that were delivered are handled one at a time.
    pub fn is_cautious(&self) -> bool {
        self.0.cautious.load(Ordering::Acquire) > 0 && self.0.began.elapsed() < CAUTIOUS_FOR
    }

    /// One of the events that were to be seen has been.
    fn seen(&self) {
        let before = self.0.cautious.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        if before == Ok(1) {
            tracing::info!(group = %self.0.group, "handling events side by side again");
        }
    }
}

/// An attempt under way. When it is dropped, because its lane was lost or the worker stops, its mark tells of no crash.
struct Attempt<'a> {
    void: &'a VoidMarks,
    times: u32,
    handler: &'static str,
    event: Uuid,
    answered: bool,
}

impl Attempt<'_> {
    /// The handler has answered: its mark is erased in order.
    fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.void.all_but(self.times, self.handler, self.event);
        }
    }
}

/// Marks attempts that may end the process. See [`CrashGuard`].
#[derive(Clone)]
pub struct CrashGuardLayer {
    guard: CrashGuard,
    /// Held by an attempt that must be alone among the suspects.
    alone: Arc<Mutex<()>>,
}

impl Layer for CrashGuardLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(Marked { guard: self.guard.clone(), alone: self.alone.clone(), inner })
    }
}

struct Marked {
    guard: CrashGuard,
    alone: Arc<Mutex<()>>,
    inner: Arc<dyn Invocation>,
}

#[async_trait]
impl Invocation for Marked {
    fn handler(&self) -> &'static str {
        self.inner.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.inner.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        let delivered = *entry == Entry::Delivered;
        if delivered && !self.guard.is_cautious() {
            return self.inner.invoke(event, entry).await;
        }
        let suspect = self.left(event).await? > 0;
        if suspect {
            tokio::time::sleep_until(self.guard.0.began + SETTLED_AFTER).await;
        }
        let mut alone = if suspect || delivered { Some(self.alone.lock().await) } else { None };
        let attempt = self.marked(event, entry);
        tokio::pin!(attempt);
        let outcome = tokio::select! {
            biased;
            outcome = &mut attempt => outcome,
            // What takes long must not make everybody wait. It keeps its mark.
            () = tokio::time::sleep(ALONE_FOR), if alone.is_some() => {
                alone.take();
                attempt.await
            }
        };
        let answered =
            matches!(outcome, Ok(Handled::Committed) | Err(InvocationError::Failed(_) | InvocationError::Permanent(_)));
        if delivered && answered {
            self.guard.seen();
        }
        outcome
    }
}

impl Marked {
    /// How many marks there are that tell of the end of a process.
    async fn left(&self, event: &EventEnvelope) -> Result<u32, InvocationError> {
        let left = self.guard.0.marks.left(self.handler(), event.id).await.map_err(unavailable)?;
        Ok(self.guard.0.void.telling(self.handler(), event.id, left))
    }

    /// Attempts it between mark and erasure, unless too many marks were left.
    async fn marked(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        let Guard { marks, void, .. } = &*self.guard.0;
        let times = self.left(event).await?;
        let outcome = if times >= self.policy().crashes {
            Err(InvocationError::Crashed { times })
        } else {
            if let Err(error) = marks.mark(self.handler(), event.id).await {
                // It may have been made, and its answer lost: the handler has not had the event, and is not to be blamed.
                void.all_but(times, self.handler(), event.id);
                return Err(unavailable(error));
            }
            let attempt = Attempt { void, times, handler: self.handler(), event: event.id, answered: false };
            let outcome = self.inner.invoke(event, entry).await;
            attempt.answered();
            outcome
        };
        match marks.erase(self.handler(), event.id).await {
            Ok(()) => void.forget(self.handler(), event.id),
            Err(error) => {
                // The handler has answered. For a later run, a mark that stays makes the event a suspect and nothing worse.
                void.all_but(0, self.handler(), event.id);
                tracing::debug!(%error, event = %event.id, "a mark could not be erased");
            }
        }
        outcome
    }
}

fn unavailable(error: StorageError) -> InvocationError {
    InvocationError::Unavailable(error.into())
}
