//! An activity log on a store in memory, for the tests of this area.

use std::sync::Arc;

use activelog_domain::{
    activity::{Activity, ActivityDate, ActivityDraft, ActivityType, Calories, Distance, Duration, Tags, Title},
    event::{DomainEvent, EventEnvelope},
    notification::Notification,
    statistics::Figures,
    user::{Actor, UserId},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    ActivityError, ActivityLog, handlers,
    ports::{ActivityFilter, KeysetPage, Queries},
    use_cases::NewActivity,
};
use crate::{
    delivery::{Entry, Handled, InvocationError, Router, Routes},
    orchestrator::{Orchestrator, OrchestratorError, OrchestratorOptions, Outputs},
    testing::{FakeClock, MemoryRepositories, SequentialIds},
};

pub(super) const ANNA: UserId = UserId(Uuid::from_u128(1));
pub(super) const BERT: UserId = UserId(Uuid::from_u128(2));

const EVERYTHING: KeysetPage = KeysetPage { after: None, limit: 1_000 };

/// The log, its handlers, and a look behind them.
pub(super) struct Fixture {
    pub(super) store: MemoryRepositories,
    pub(super) log: ActivityLog,
    pub(super) routes: Routes,
    clock: Arc<FakeClock>,
    handled: usize,
}

/// All that a refused request must leave as it is.
#[derive(Debug, PartialEq)]
pub(super) struct Contents {
    activities: Vec<Activity>,
    totals: Vec<Option<Figures>>,
    notifications: Vec<Notification>,
    events: Vec<EventEnvelope>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let store = MemoryRepositories::new();
        let clock = Arc::new(FakeClock::new("2026-11-21T12:00:00Z".parse().expect("a valid instant")));
        let orchestrator = Orchestrator::new(
            Arc::new(store.clone()),
            clock.clone(),
            Arc::new(SequentialIds::default()),
            OrchestratorOptions::default(),
        );
        let log = ActivityLog::new(orchestrator.clone()).expect("chains that fit together");
        let routes = handlers::register(Router::new(orchestrator)).build().expect("routes that fit together");
        Self { store, log, routes, clock, handled: 0 }
    }

    /// Creates Anna's activity of this day in January 2026 and distance.
    pub(super) async fn created(&self, day: u8, metres: i64) -> Activity {
        let outputs = self.log.create(NewActivity { actor: Actor::User(ANNA), draft: draft(ANNA, day, metres) }).await;
        output(&outputs.expect("a created activity"))
    }

    pub(super) fn minutes_pass(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }

    pub(super) async fn contents(&self) -> Contents {
        let mut contents = Contents {
            activities: self.store.activities(&ActivityFilter::default(), EVERYTHING).await.expect("activities"),
            totals: Vec::new(),
            notifications: Vec::new(),
            events: self.store.outbox(),
        };
        for user in [ANNA, BERT] {
            contents.totals.push(self.store.totals(user).await.expect("totals"));
            contents.notifications.extend(self.notifications(user).await);
        }
        contents
    }

    pub(super) async fn notifications(&self, user: UserId) -> Vec<Notification> {
        self.store.notifications(user, EVERYTHING).await.expect("notifications")
    }

    pub(super) async fn totals(&self, user: UserId) -> Figures {
        self.store.totals(user).await.expect("totals").unwrap_or_default()
    }

    pub(super) fn last_event<E: DomainEvent>(&self) -> E {
        self.store.outbox().last().expect("an event").open().expect("an event of the type asked for")
    }

    /// Gives every event recorded since the last call to every handler, twice.
    pub(super) async fn handle_all(&mut self) {
        let events = self.store.outbox();
        for event in &events[self.handled..] {
            for expected in [Handled::Committed, Handled::AlreadyTaken] {
                for handler in self.routes.handlers(&event.name) {
                    assert_eq!(
                        handler.invoke(&Arc::new(event.clone()), &Entry::Delivered).await.expect("a handled event"),
                        expected
                    );
                }
            }
        }
        self.handled = events.len();
    }

    /// Gives an event to the handler of this name.
    pub(super) async fn handle_by(&self, handler: &str, event: &EventEnvelope) -> Result<Handled, InvocationError> {
        let handlers = self.routes.handlers(&event.name);
        let handler = handlers.iter().find(|h| h.handler() == handler).expect("a registered handler");
        handler.invoke(&Arc::new(event.clone()), &Entry::Delivered).await
    }
}

/// A draft of this day in January 2026.
pub(super) fn draft(user_id: UserId, day: u8, metres: i64) -> ActivityDraft {
    let at: Timestamp = format!("2026-01-{day:02}T10:00:00Z").parse().expect("a valid instant");
    ActivityDraft {
        user_id,
        activity_type: ActivityType::new("run").expect("a valid type"),
        title: Title::new("Morning run").expect("a valid title"),
        description: None,
        duration: Duration::new(30).expect("a valid duration"),
        distance: Some(Distance::from_metres(metres).expect("a valid distance")),
        calories: Some(Calories::new(300).expect("valid calories")),
        notes: None,
        tags: Tags::default(),
        activity_date: ActivityDate::stored(at),
    }
}

/// What a chain provided.
pub(super) fn output<T: Clone + Send + Sync + 'static>(outputs: &Outputs) -> T {
    (*outputs.get::<T>().expect("an output of the type asked for")).clone()
}

/// Why a request was refused.
pub(super) fn refusal(result: Result<Outputs, OrchestratorError>) -> ActivityError {
    let error = result.map(|_| ()).expect_err("a refusal");
    error.rejection::<ActivityError>().cloned().unwrap_or_else(|| panic!("a refusal, not: {error}"))
}
