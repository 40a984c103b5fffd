use std::{collections::BTreeMap, sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Entry, Invocation, InvocationError, Projection, Routes};
use crate::{
    orchestrator::{Orchestrator, OrchestratorError, RequestContext, Work},
    ports::{
        Journal, JournalCursor, JournalEntry, Lease, LeaseStore, PARTITIONS, Partition, Replay, ReplayProgress,
        Replays, StorageError, StorageErrorKind, UnitOfWork,
    },
};

/// How many rows are removed in one transaction.
const CLEAR: u32 = 2_000;

/// How many entries of the journal are read at once.
const PAGE: u32 = 500;

/// How many partition keys are worked on at once.
const KEYS: usize = 16;

/// How long a replay that was killed keeps others from resuming it.
const LEASE: Duration = Duration::from_secs(15);

/// Why a replay did not come to its end. What it has done is kept: it resumes where it was.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There is no such handler.
    #[error("there is no handler {name:?}; handlers whose events can be replayed are {known}")]
    UnknownHandler {
        /// What was asked for.
        name: String,
        /// The names of those there are, joined by commas.
        known: String,
    },
    /// The handler's effects cannot be taken back.
    #[error(
        "{name} is no projection: what it has done cannot be removed, so its events are not replayed; handlers whose events can be are {known}"
    )]
    NotAProjection {
        /// The handler.
        name: String,
        /// The names of those there are, joined by commas.
        known: String,
    },
    /// The journal no longer begins where the replay is to begin.
    #[error(
        "the journal no longer has every event from before {since}: what {handler} has made of those would be gone for good. Say --from {since} or \
         later to make it of the events since then, or --partial to make it of all that is left; nothing was begun"
    )]
    Incomplete {
        /// The handler.
        handler: String,
        /// From when on nothing is missing.
        since: Timestamp,
    },
    /// Another process is at it.
    #[error(
        "another process is replaying the events of {0}; wait for it, or, if it was killed, try again in 15 seconds"
    )]
    Running(String),
    /// Told to stop.
    #[error(
        "the replay of {0} was interrupted; until it is run to its end, events of {0} wait: run the same command again"
    )]
    Interrupted(String),
    /// The database failed.
    #[error("the replay cannot go on now: {0}; run the same command again to resume it")]
    Storage(#[from] StorageError),
    /// What the handler has made could not be removed.
    #[error("what the handler has made could not be removed: {0}; run the same command again to resume")]
    Clearing(#[from] OrchestratorError),
    /// An event could not be replayed, nor its failure written down.
    #[error("an event could not be replayed now: {0}; run the same command again to resume")]
    Invocation(#[from] InvocationError),
}

impl ReplayError {
    /// Whether it was not begun, because of what was asked for.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::UnknownHandler { .. } | Self::NotAProjection { .. } | Self::Incomplete { .. })
    }
}

/// Which events are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayRange {
    /// Only those published at this time or later.
    pub from: Option<Timestamp>,
    /// Only those published before this time.
    pub to: Option<Timestamp>,
    /// Those that are left, although the journal has lost some of the range to retention.
    pub partial: bool,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplayState {
    /// Rows that were removed.
    pub cleared: u64,
    /// Entries of the journal that were read.
    pub read: u64,
    /// Entries there are to read, as far as it is known.
    pub of: u64,
    /// Events the handler was given.
    pub given: u64,
}

/// Makes projections anew from the journal, while everything else goes on: what arrives for the handler meanwhile is parked, and taken
/// afterwards.
pub struct Replayer<U: ?Sized> {
    orchestrator: Orchestrator<U>,
    routes: Routes,
    projections: BTreeMap<&'static str, Arc<dyn Projection<U>>>,
    journal: Arc<dyn Journal>,
    replays: Arc<dyn Replays>,
    leases: Arc<dyn LeaseStore>,
    member: Uuid,
}

impl<U: ?Sized + UnitOfWork + 'static> Replayer<U> {
    /// A replayer for the handlers of `routes`, which must have the layer that deals with failures.
    pub fn new(
        orchestrator: Orchestrator<U>,
        routes: Routes,
        projections: Vec<Arc<dyn Projection<U>>>,
        journal: Arc<dyn Journal>,
        replays: Arc<dyn Replays>,
        leases: Arc<dyn LeaseStore>,
    ) -> Self {
        let member = orchestrator.next_id();
        let projections = projections.into_iter().map(|projection| (projection.name(), projection)).collect();
        Self { orchestrator, routes, projections, journal, replays, leases, member }
    }

    /// Replays the events of `handler` that were published in a range of time, or resumes what was begun. Tells `progress` after every step.
    /// Interrupted by `stop` between two steps.
    ///
    /// # Errors
    /// [`ReplayError`]: nothing is lost by any of them; run again, it resumes.
    pub async fn run(
        &self,
        handler: &str,
        range: ReplayRange,
        stop: &CancellationToken,
        progress: impl Fn(ReplayState) + Send + Sync,
    ) -> Result<ReplayState, ReplayError> {
        let projection = self.projection(handler)?;
        let scope = format!("replay:{handler}");
        let member = self.member.to_string();
        let lease = self.leases.heartbeat(&scope, &member, 1, LEASE).await?.leases;
        if lease.is_empty() {
            return Err(ReplayError::Running(handler.to_owned()));
        }
        let replaying = async {
            self.ensure_complete(handler, range).await?;
            let replay = self.replays.begin(handler, range.from, range.to).await?;
            self.replay(projection.as_ref(), replay, stop, &progress).await
        };
        let outcome = tokio::select! {
            outcome = replaying => outcome,
            error = self.keep(&scope, &member, &lease) => Err(error),
        };
        if let Err(error) = self.leases.leave(&scope, &member).await {
            tracing::debug!(%error, "the lease on the replay ends by itself");
        }
        outcome
    }

    fn projection(&self, handler: &str) -> Result<Arc<dyn Projection<U>>, ReplayError> {
        if let Some(projection) = self.projections.get(handler) {
            return Ok(projection.clone());
        }
        let known = self.projections.keys().copied().collect::<Vec<_>>().join(", ");
        let name = handler.to_owned();
        if self.routes.handler_names().contains(&handler) {
            Err(ReplayError::NotAProjection { name, known })
        } else {
            Err(ReplayError::UnknownHandler { name, known })
        }
    }

    /// Refuses to begin, but not to resume, what would lose figures for good without being told to.
    async fn ensure_complete(&self, handler: &str, range: ReplayRange) -> Result<(), ReplayError> {
        if range.partial || self.replays.list().await?.iter().any(|begun| begun.handler == handler) {
            return Ok(());
        }
        let mut complete_since = None;
        for partition in (0..PARTITIONS).map(Partition) {
            let first = self.journal.read(partition, 0, 1).await?;
            let pruned = first.into_iter().find(|entry| entry.position > 1).map(|entry| entry.published_at);
            complete_since = complete_since.max(pruned);
        }
        match complete_since {
            Some(since) if range.from.is_none_or(|from| from < since) => {
                Err(ReplayError::Incomplete { handler: handler.to_owned(), since })
            }
            _ => Ok(()),
        }
    }

    /// Keeps the lease; returns when it is lost.
    async fn keep(&self, scope: &str, member: &str, lease: &[Lease]) -> ReplayError {
        loop {
            tokio::time::sleep(LEASE / 3).await;
            match self.leases.heartbeat(scope, member, 1, LEASE).await {
                Ok(share) if share.leases == lease => {}
                Ok(_) => return ReplayError::Running(scope.trim_start_matches("replay:").to_owned()),
                Err(error) => tracing::debug!(%error, "cannot renew the lease on the replay; trying again"),
            }
        }
    }

    async fn replay(
        &self,
        projection: &dyn Projection<U>,
        replay: Replay,
        stop: &CancellationToken,
        progress: &(impl Fn(ReplayState) + Sync),
    ) -> Result<ReplayState, ReplayError> {
        let handler = projection.name();
        let interrupted = || ReplayError::Interrupted(handler.to_owned());
        let mut state = ReplayState::default();
        let mut cursor = match replay.progress {
            ReplayProgress::Reading(ref cursor) => cursor.clone(),
            ReplayProgress::Clearing => {
                while !stop.is_cancelled() {
                    let (forgotten, cleared) = self.clear(projection.name()).await?;
                    state.cleared += cleared;
                    progress(state);
                    if forgotten + cleared == 0 {
                        break;
                    }
                }
                if stop.is_cancelled() {
                    return Err(interrupted());
                }
                let beginning = JournalCursor::default();
                self.replays.advance(handler, &ReplayProgress::Reading(beginning.clone())).await?;
                beginning
            }
        };
        loop {
            let entries = self.journal.read_all(&cursor, PAGE).await?;
            if entries.is_empty() {
                self.replays.end(handler).await?;
                return Ok(state);
            }
            if stop.is_cancelled() {
                return Err(interrupted());
            }
            for entry in &entries {
                cursor.0[usize::from(entry.partition.0)] = entry.position;
            }
            state.read += entries.len() as u64;
            state.given += match self.give(handler, &replay, entries).await {
                // What was under way is not done: it comes again from the last step.
                Err(_) if stop.is_cancelled() => return Err(interrupted()),
                given => given?,
            };
            self.replays.advance(handler, &ReplayProgress::Reading(cursor.clone())).await?;
            state.of = left(&self.journal.heads().await?, &cursor) + state.read;
            progress(state);
        }
    }

    /// Removes some of what the handler has made, together with the record that it has taken events: both under the eyes of the storage, as another may
    /// have gone on with this replay while this process was frozen. Answers how much of each.
    async fn clear(&self, handler: &'static str) -> Result<(u64, u64), ReplayError> {
        let Some(projection) = self.projections.get(handler).cloned() else { return Ok((0, 0)) };
        let context = RequestContext { correlation_id: self.orchestrator.next_id(), causation_id: None, trace: None };
        let work: Work<U, (u64, u64)> = Arc::new(move |step, progress| {
            let projection = projection.clone();
            Box::pin(async move {
                progress.enter(handler);
                let failed = |source| OrchestratorError::Storage { use_case: handler, source };
                let forgotten = step.tx().inbox().forget(handler, CLEAR).await.map_err(failed)?;
                let cleared = projection.clear(CLEAR, step).await.map_err(failed)?;
                Ok((forgotten, cleared))
            })
        });
        match self.orchestrator.transact(self.orchestrator.options(), context, work).await {
            Err(OrchestratorError::Storage { source, .. }) if source.kind == StorageErrorKind::Fenced => {
                Err(ReplayError::Running(handler.to_owned()))
            }
            cleared => Ok(cleared?),
        }
    }

    /// Has the handler take what it takes of these: in order for each key, and several keys at once.
    async fn give(&self, handler: &str, replay: &Replay, entries: Vec<JournalEntry>) -> Result<u64, ReplayError> {
        let mut keys: BTreeMap<String, Vec<Given<'_>>> = BTreeMap::new();
        let mut given = 0;
        for entry in entries {
            let in_range = replay.from.is_none_or(|from| entry.published_at >= from)
                && replay.to.is_none_or(|to| entry.published_at < to);
            if let Some(invocation) = self.routes.find(&entry.event.name, handler).filter(|_| in_range) {
                given += 1;
                let key = entry.event.partition_key.clone();
                keys.entry(key).or_default().push((Arc::new(entry.event), invocation));
            }
        }
        let outcomes = stream::iter(keys.into_values().map(|events| async move {
            for (event, invocation) in events {
                invocation.invoke(&event, &Entry::Replayed).await?;
            }
            Ok::<_, InvocationError>(())
        }));
        let outcomes: Vec<_> = outcomes.buffer_unordered(KEYS).collect().await;
        outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(given)
    }
}

/// An event and who is to take it.
type Given<'a> = (Arc<EventEnvelope>, &'a Arc<dyn Invocation>);

/// How many entries there are between two positions.
fn left(heads: &JournalCursor, cursor: &JournalCursor) -> u64 {
    heads.0.iter().zip(cursor.0).map(|(head, position)| head.saturating_sub(position)).sum()
}
