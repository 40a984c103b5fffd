//! An activity log in memory whose events are handled as a worker would.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::{
        ActivityLog, handlers,
        ports::{KeysetPage, Queries, Repositories},
        use_cases::{DeleteActivity, NewActivity, UpdateActivity},
    },
    delivery::{Entry, FailureMachine, Handled, Replayer, Retrier, RetrierOptions, Router, Routes},
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{Isolation, Journal, ParkingStore, TransactionOptions, UnitOfWorkFactory},
    testing::{
        FakeClock, MemoryRepositories, SequentialIds, TokioClock, matches_recomputation, memory_storage::MemoryStorage,
    },
};
use activelog_domain::{
    achievement::{Achievement, Earned, Effort},
    activity::{
        Activity, ActivityChanges, ActivityDate, ActivityDraft, ActivityType, Distance, Duration as Length, Tags, Title,
    },
    event::EventEnvelope,
    leaderboard::Board,
    statistics::{Figures, Period},
    user::{Actor, UserId},
};
use jiff::{Timestamp, civil::date};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const HANDLERS: [&str; 3] = ["period-statistics", "achievements", "leaderboard"];
pub(crate) const USERS: [UserId; 2] = [UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2))];

pub(crate) struct World {
    pub(crate) store: MemoryRepositories,
    pub(crate) journal: MemoryStorage,
    orchestrator: Orchestrator<dyn Repositories>,
    log: ActivityLog,
    routes: Routes,
    machine: FailureMachine,
    published: usize,
}

impl World {
    pub(crate) fn new() -> Self {
        let store = MemoryRepositories::new();
        let ids = Arc::new(SequentialIds::default());
        let clock = Arc::new(FakeClock::new("2026-11-21T12:00:00Z".parse().expect("an instant")));
        let orchestrator = Orchestrator::new(Arc::new(store.clone()), clock, ids, OrchestratorOptions::default());
        let log = ActivityLog::new(orchestrator.clone()).expect("chains that fit together");
        let routes = handlers::register(Router::new(orchestrator.clone())).build().expect("routes that fit together");
        let clock = Arc::new(TokioClock::default());
        let machine = FailureMachine::new(Arc::new(store.failures()), clock, "group", CancellationToken::new());
        Self { store, journal: MemoryStorage::new(), orchestrator, log, routes, machine, published: 0 }
    }

    /// A past in which activities were created, changed and deleted, and handled.
    pub(crate) async fn with_a_past() -> Self {
        let mut world = Self::new();
        for user in USERS {
            let mut activities = Vec::new();
            for day in 1..=12 {
                activities.push(world.create(user, day).await);
            }
            for activity in &activities[..4] {
                world.lengthen(activity).await;
            }
            for activity in &activities[9..] {
                world.delete(activity).await;
            }
        }
        let handled = world.deliver().await;
        assert!(handled.iter().all(|(_, handled)| *handled == Handled::Committed), "{handled:?}");
        world.matches().await.expect("projections of the past");
        world
    }

    pub(crate) async fn create(&self, user: UserId, day: u8) -> Activity {
        let draft = draft(user, day);
        let done = self.log.create(NewActivity { actor: Actor::User(user), draft }).await.expect("a created activity");
        (*done.get::<Activity>().expect("an activity")).clone()
    }

    pub(crate) async fn lengthen(&self, activity: &Activity) {
        let longer = ActivityChanges { duration: Length::new(75).ok(), ..Default::default() };
        let actor = Actor::User(activity.user_id);
        let input = UpdateActivity { actor, id: activity.id, expected: None, changes: longer };
        self.log.update(input).await.expect("an updated activity");
    }

    pub(crate) async fn delete(&self, activity: &Activity) {
        let input = DeleteActivity { actor: Actor::Operator, id: activity.id, expected: None };
        self.log.delete(input).await.expect("a deleted activity");
    }

    /// Publishes what was recorded and gives it to every handler; answers what became of each.
    pub(crate) async fn deliver(&mut self) -> Vec<(&'static str, Handled)> {
        let events = self.publish().await;
        self.hand_over(events).await
    }

    /// Publishes what was recorded.
    pub(crate) async fn publish(&mut self) -> Vec<EventEnvelope> {
        let events = self.store.outbox().split_off(self.published);
        self.published += events.len();
        self.journal.append(&events).await.expect("a journal");
        events
    }

    /// Gives published events to every handler; answers what became of each.
    pub(crate) async fn hand_over(&self, events: Vec<EventEnvelope>) -> Vec<(&'static str, Handled)> {
        let routes = self.routes.within(&self.machine.layer());
        let mut handled = Vec::new();
        for event in events {
            let event = Arc::new(event);
            for handler in routes.handlers(&event.name) {
                let outcome = handler.invoke(&event, &Entry::Delivered).await.expect("an outcome");
                handled.push((handler.handler(), outcome));
            }
        }
        handled
    }

    /// Has a retrier take everything that is parked.
    pub(crate) async fn take_parked(&self) {
        let retrier = Retrier::new(self.machine.clone(), self.routes.clone(), RetrierOptions::default());
        let (stop, hard_stop) = (CancellationToken::new(), CancellationToken::new());
        let emptied = async {
            while self.parked().await > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            stop.cancel();
        };
        let deadline = Duration::from_secs(600);
        let both = async { tokio::join!(retrier.run(&stop, &hard_stop), emptied) };
        tokio::time::timeout(deadline, both).await.expect("everything that is parked is taken");
    }

    pub(crate) async fn parked(&self) -> u64 {
        self.store.failures().depth().await.expect("a depth").events
    }

    pub(crate) fn replayer(&self) -> Replayer<dyn Repositories> {
        Replayer::new(
            self.orchestrator.clone(),
            self.routes.within(&self.machine.layer()),
            handlers::projections(),
            Arc::new(self.journal.clone()),
            Arc::new(self.store.failures()),
            Arc::new(self.journal.clone()),
        )
    }

    /// Writes what no event tells of into every projection.
    pub(crate) async fn spoil(&self) {
        let (user, start) = (USERS[0], date(2026, 1, 1));
        let figures = Figures { activities: 3, duration_minutes: 1, distance_metres: 99, calories_burned: 7 };
        let options = TransactionOptions::new(Isolation::ReadCommitted, Duration::from_secs(5));
        let factory: &dyn UnitOfWorkFactory<dyn Repositories> = &self.store;
        let mut uow = factory.begin(options).await.expect("a unit of work");
        uow.period_statistics().add(user, &[(Period::Month, start, figures)]).await.expect("figures");
        let board = Board { period: Period::Month, start, activity_type: None };
        uow.leaderboards().add(user, &[(board, figures)]).await.expect("figures");
        let (activity_id, at) = (Uuid::from_u128(77), Timestamp::UNIX_EPOCH);
        let activity_type = ActivityType::new("run").expect("a type");
        let effort = Effort { activity_id, activity_type, date: at, distance_metres: Some(90_000) };
        uow.achievements().put_effort(user, &effort).await.expect("an effort");
        let achievement = Achievement::HundredActivities;
        let earned = Earned { achievement, activity_id, achieved_at: at, distance_metres: None };
        uow.achievements().put(user, &earned).await.expect("an achievement");
        uow.commit().await.expect("a commit");
        self.matches().await.expect_err("what was spoilt");
    }

    /// Compares all projections with the activities.
    pub(crate) async fn matches(&self) -> Result<usize, String> {
        let recorded: Vec<Arc<EventEnvelope>> = self.store.outbox().into_iter().map(Arc::new).collect();
        matches_recomputation(&self.store, &recorded).await.map_err(|error| error.to_string())
    }

    /// How many notifications there are.
    pub(crate) async fn notifications(&self) -> usize {
        let mut all = 0;
        for user in USERS {
            let page = KeysetPage { after: None, limit: 1_000 };
            all += self.store.notifications(user, page).await.expect("notifications").len();
        }
        all
    }
}

fn draft(user_id: UserId, day: u8) -> ActivityDraft {
    let at: Timestamp = format!("2026-01-{day:02}T10:00:00Z").parse().expect("an instant");
    ActivityDraft {
        user_id,
        activity_type: ActivityType::new("run").expect("a type"),
        title: Title::new("Morning run").expect("a title"),
        description: None,
        duration: Length::new(30).expect("a duration"),
        distance: Some(Distance::from_metres(5_000 + i64::from(day)).expect("a distance")),
        calories: None,
        notes: None,
        tags: Tags::default(),
        activity_date: ActivityDate::stored(at),
    }
}
