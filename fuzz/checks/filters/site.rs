use std::sync::Arc;

use activelog_application::{
    activity::{ActivityLog, ports::Repositories},
    backpressure::PressureGauge,
    failures::FailedEvents,
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{Addressed, Clock, Failures, Journal, ParkingStore},
    testing::{FakeClock, MemoryRepositories, SequentialIds, SequentialSecrets, memory_storage::MemoryStorage},
    webhook::{WebhookOptions, Webhooks},
};
use activelog_interfaces::http::{ComponentHealth, HealthSource, HttpOptions, HttpState, router};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::letters::Letters;

/// The API over storage in memory, with some of everything that can be listed.
pub(super) struct Site {
    pub(super) runtime: Runtime,
    pub(super) letters: Arc<Letters>,
    pub(super) failed: FailedEvents,
    router: Router,
}

/// An answer: its status and its body.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) length: usize,
}

/// The user whose activities there are.
const USER: &str = "01929d5e-0000-7000-8000-0000000000aa";

thread_local! {
    static SITE: Site = Site::new();
}

/// Does something with the site, which no request that targets make changes.
pub(super) fn with<T>(act: impl FnOnce(&Site) -> T) -> T {
    SITE.with(act)
}

struct Healthy;

#[async_trait]
impl HealthSource for Healthy {
    async fn components(&self) -> Vec<ComponentHealth> {
        Vec::new()
    }
}

impl Site {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (store, journal) = (MemoryRepositories::new(), MemoryStorage::new());
        let (clock, ids) = (Arc::new(FakeClock::default()), Arc::new(SequentialIds::default()));
        let orchestrator: Orchestrator<dyn Repositories> =
            Orchestrator::new(Arc::new(store.clone()), clock.clone(), ids.clone(), OrchestratorOptions::default());
        let secrets = Arc::new(SequentialSecrets::default());
        let letters = Arc::new(Letters::new());
        let parking = Arc::new(store.failures());
        let failed = FailedEvents::new(letters.clone(), parking.clone());
        let state = HttpState {
            log: ActivityLog::new(orchestrator.clone()).expect("valid chains"),
            queries: Arc::new(store.clone()),
            webhooks: Webhooks::new(orchestrator, secrets, WebhookOptions::default()).expect("valid chains"),
            webhook_store: Arc::new(store.clone()),
            journal: Arc::new(journal.clone()),
            outbox: Arc::new(journal.clone()),
            failures: failed.clone(),
            clock: clock.clone(),
            ids,
            health: Arc::new(Healthy),
            pressure: PressureGauge::default(),
        };
        let site = Self { runtime, letters, failed, router: router(state, HttpOptions::default()) };
        for day in 1..=7 {
            let run = json!({
                "user_id": USER, "type": "run", "title": "Morning run", "duration_minutes": 50, "distance_km": day,
                "activity_date": format!("2026-03-0{day}T06:30:00Z"),
            });
            let answer = site.send("POST", "/activities", &run.to_string()).expect("a path");
            assert_eq!(answer.status, 201, "{}", answer.body);
        }
        site.runtime.block_on(fill(&store, &journal, &*parking, clock.now()));
        site
    }

    /// Sends a request. `None` for a path that no request can have.
    pub(super) fn send(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_owned())).ok()?;
        let response = self.runtime.block_on(self.router.clone().oneshot(request)).expect("an answer");
        let status = response.status().as_u16();
        let bytes = self.runtime.block_on(to_bytes(response.into_body(), usize::MAX)).expect("a whole body");
        Some(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default(), length: bytes.len() })
    }
}

/// Publishes what was recorded, and parks some of it.
async fn fill(store: &MemoryRepositories, journal: &MemoryStorage, parking: &dyn ParkingStore, now: jiff::Timestamp) {
    let events = store.outbox();
    journal.append(&events).await.expect("published");
    for event in events {
        let addressed =
            Addressed { handler: "leaderboard".to_owned(), group: "activelog".to_owned(), event: Arc::new(event) };
        let failures = Failures { attempts: 1, first_at: now, last_at: now, error: "no board".to_owned() };
        assert!(parking.park(&addressed, Some(&failures), now).await.expect("parked"));
    }
}
