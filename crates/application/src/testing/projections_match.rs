//! Whatever the order in which events of different activities are handled, and however often they arrive: the projections equal
//! a recomputation from the activities.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Debug,
    iter,
    sync::Arc,
};

use activelog_domain::{
    activity::{Activity, ActivityCreated, ActivityDeleted, ActivitySnapshot, ActivityUpdated},
    event::{DecodeError, DomainEvent, EventEnvelope},
    leaderboard::Board,
    user::{Actor, UserId},
    validation::FieldError,
};
use futures::future::try_join_all;
use jiff::Timestamp;

use super::{
    FakeClock, Scenario, SequentialIds,
    scenario::{Action, Operation},
};
use crate::{
    activity::{
        ActivityLog, handlers,
        ports::{ActivityFilter, KeysetPage, Queries, Repositories},
        projections::{Projections, boards_of, recompute},
        use_cases::{DeleteActivity, NewActivity, UpdateActivity},
    },
    delivery::{Entry, Handled, InvocationError, Router, RouterError, Routes},
    orchestrator::{ChainError, Orchestrator, OrchestratorError, OrchestratorOptions},
    ports::{OutboxStore, StorageError, UnitOfWorkFactory},
};

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProjectionsReport {
    /// Activities that are there in the end.
    pub activities: usize,
    /// Events that were recorded.
    pub events: usize,
    /// Times that a handler was given an event it had taken before.
    pub already_taken: usize,
}

/// The projections do not match, or the run did not get that far.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionsError {
    /// A projection is not what it should be.
    #[error("{what}: expected {expected}, found {found}")]
    Mismatch {
        /// Which one, and whose.
        what: String,
        /// What follows from the activities.
        expected: String,
        /// What the handlers made.
        found: String,
    },
    /// An operation failed.
    #[error(transparent)]
    Operation(#[from] OrchestratorError),
    /// A handler failed.
    #[error(transparent)]
    Handler(#[from] InvocationError),
    /// A query failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A recorded event cannot be read.
    #[error(transparent)]
    Event(#[from] DecodeError),
    /// The chains do not fit together.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The routes do not fit together.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The scenario makes an invalid value.
    #[error(transparent)]
    Value(#[from] FieldError),
}

/// Runs a scenario against an empty store and compares its projections with a recomputation from its activities.
///
/// `events` answers everything that was recorded in the outbox, each activity's events in their order; see [`pending_events`].
pub async fn projections_match(
    factory: Arc<dyn UnitOfWorkFactory<dyn Repositories>>,
    queries: &dyn Queries,
    events: impl AsyncFnOnce() -> Result<Vec<EventEnvelope>, StorageError>,
    scenario: &Scenario,
) -> Result<ProjectionsReport, ProjectionsError> {
    let clock = Arc::new(FakeClock::new(Timestamp::UNIX_EPOCH));
    let ids = Arc::new(SequentialIds::default());
    let orchestrator = Orchestrator::new(factory, clock, ids, OrchestratorOptions::default());
    let log = ActivityLog::new(orchestrator.clone())?;
    let mut present = Vec::new();
    for operation in &scenario.operations {
        apply(&log, operation, scenario.users, &mut present).await?;
    }
    let recorded: Vec<Arc<EventEnvelope>> = events().await?.into_iter().map(Arc::new).collect();
    let routes = handlers::register(Router::new(orchestrator)).build()?;
    let already_taken = deliver(&routes, &recorded, &scenario.deliveries).await?;
    let activities = matches_recomputation(queries, &recorded).await?;
    Ok(ProjectionsReport { activities, events: recorded.len(), already_taken })
}

/// Compares the projections of a store that nobody writes to with a recomputation from its activities, for every user and board that `recorded`, the events
/// of its whole past, ever spoke of. Answers how many activities there are.
pub async fn matches_recomputation(
    queries: &dyn Queries,
    recorded: &[Arc<EventEnvelope>],
) -> Result<usize, ProjectionsError> {
    let activities = all_activities(queries).await?;
    compare(queries, &recompute(&activities), recorded).await?;
    Ok(activities.len())
}

/// Everything that waits in an outbox: the `events` of [`projections_match`] for a store without a relay.
pub async fn pending_events(outbox: &dyn OutboxStore) -> Result<Vec<EventEnvelope>, StorageError> {
    const PAGE: u32 = 500;
    let mut events = Vec::new();
    for partition in outbox.waiting().await? {
        let mut after = 0;
        loop {
            let page = outbox.pending(partition, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.id;
            events.extend(page.into_iter().map(|entry| entry.event));
        }
    }
    Ok(events)
}

/// Has one operation done. Without an activity to update or delete, it creates one.
async fn apply(
    log: &ActivityLog,
    operation: &Operation,
    users: u8,
    present: &mut Vec<Activity>,
) -> Result<(), ProjectionsError> {
    let index = usize::from(operation.target) % present.len().max(1);
    match (operation.action(), present.get(index).cloned()) {
        (Action::Create, _) | (_, None) => {
            let draft = operation.draft(users)?;
            let done = log.create(NewActivity { actor: Actor::User(draft.user_id), draft }).await?;
            present.extend(done.get::<Activity>().map(|a| (*a).clone()));
        }
        (Action::Update, Some(Activity { id, user_id, version, .. })) => {
            let changes = operation.changes()?;
            let input = UpdateActivity { actor: Actor::User(user_id), id, expected: Some(version), changes };
            if let Some(updated) = log.update(input).await?.get::<Activity>() {
                present[index] = (*updated).clone();
            }
        }
        (Action::Delete, Some(Activity { id, version, .. })) => {
            log.delete(DeleteActivity { actor: Actor::Operator, id, expected: Some(version) }).await?;
            present.swap_remove(index);
        }
    }
    Ok(())
}

/// Has every event handled: each activity's in their order, different activities' in any order and at once, some of them again.
async fn deliver(routes: &Routes, recorded: &[Arc<EventEnvelope>], choices: &[u16]) -> Result<usize, ProjectionsError> {
    let mut by_activity: BTreeMap<&str, VecDeque<&Arc<EventEnvelope>>> = BTreeMap::new();
    for event in recorded {
        by_activity.entry(&event.partition_key).or_default().push_back(event);
    }
    let mut waiting: Vec<VecDeque<&Arc<EventEnvelope>>> = by_activity.into_values().collect();
    let mut delivered: Vec<&Arc<EventEnvelope>> = Vec::new();
    let mut already_taken = 0;
    for choice in choices.iter().copied().map(usize::from).chain(iter::repeat(0)) {
        if waiting.is_empty() {
            break;
        }
        let first = choice % waiting.len();
        let width = 1 + (choice >> 8) % 3;
        let mut at_once: Vec<_> = waiting[first..].iter_mut().take(width).filter_map(VecDeque::pop_front).collect();
        delivered.extend(&at_once);
        if (choice >> 12).is_multiple_of(3) && choice != 0 {
            // Something that was handled long ago, or is being handled right now.
            at_once.push(delivered[choice % delivered.len()]);
        }
        waiting.retain(|events| !events.is_empty());
        let taken = try_join_all(at_once.into_iter().map(|event| handle(routes, event))).await?;
        already_taken += taken.into_iter().sum::<usize>();
    }
    Ok(already_taken)
}

/// Gives an event to every handler. Answers how many had taken it before.
async fn handle(routes: &Routes, event: &Arc<EventEnvelope>) -> Result<usize, ProjectionsError> {
    let mut already_taken = 0;
    for handler in routes.handlers(&event.name) {
        already_taken += usize::from(handler.invoke(event, &Entry::Delivered).await? == Handled::AlreadyTaken);
    }
    Ok(already_taken)
}

async fn all_activities(queries: &dyn Queries) -> Result<Vec<Activity>, ProjectionsError> {
    let mut all: Vec<Activity> = Vec::new();
    loop {
        let after = all.last().map(|a| (a.activity_date.instant(), a.id));
        let page = queries.activities(&ActivityFilter::default(), KeysetPage { after, limit: 50 }).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Compares for every user and board that events ever spoke of, so that what should have gone is looked for too.
async fn compare(
    queries: &dyn Queries,
    expected: &Projections,
    recorded: &[Arc<EventEnvelope>],
) -> Result<(), ProjectionsError> {
    let (mut users, mut boards): (BTreeSet<UserId>, BTreeSet<Board>) = Default::default();
    for snapshot in snapshots(recorded)? {
        users.insert(snapshot.user_id);
        boards.extend(boards_of(snapshot.day(), &snapshot.activity_type()?));
    }
    for user in users {
        let totals = queries.totals(user).await?.unwrap_or_default();
        same(&format!("totals of {user}"), &expected.totals.get(&user).copied().unwrap_or_default(), &totals)?;
        let mut periods = queries.periods(user, None, 10_000).await?;
        periods.sort_by(|a, b| b.start.cmp(&a.start).then(a.period.cmp(&b.period)));
        same(&format!("periods of {user}"), &expected.periods.get(&user).cloned().unwrap_or_default(), &periods)?;
        let earned = queries.achievements(user).await?;
        let expected = expected.achievements.get(&user).cloned().unwrap_or_default();
        same(&format!("achievements of {user}"), &expected, &earned)?;
    }
    for board in boards {
        let standings = queries.leaderboard(&board, 0, 1_000).await?;
        let expected = expected.leaderboards.get(&board).cloned().unwrap_or_default();
        same(&format!("leaderboard {board:?}"), &expected, &standings)?;
    }
    Ok(())
}

fn same<T: PartialEq + Debug>(what: &str, expected: &T, found: &T) -> Result<(), ProjectionsError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    Err(ProjectionsError::Mismatch { what: what.to_owned(), expected, found })
}

/// Every state of an activity that an event tells of.
fn snapshots(recorded: &[Arc<EventEnvelope>]) -> Result<Vec<ActivitySnapshot>, DecodeError> {
    let mut snapshots = Vec::new();
    for event in recorded {
        match event.name.as_str() {
            ActivityCreated::NAME => snapshots.push(event.open::<ActivityCreated>()?.activity),
            ActivityDeleted::NAME => snapshots.push(event.open::<ActivityDeleted>()?.activity),
            _ => {
                let updated = event.open::<ActivityUpdated>()?;
                snapshots.extend([updated.previous, updated.activity]);
            }
        }
    }
    Ok(snapshots)
}
