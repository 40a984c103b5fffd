//! The API over storage in memory, and requests to it.

use std::sync::{Arc, Mutex};

use activelog_application::{
    activity::{ActivityLog, ports::Repositories},
    backpressure::PressureGauge,
    failures::FailedEvents,
    orchestrator::{Orchestrator, OrchestratorOptions},
    ports::{Isolation, Journal, TransactionOptions, UnitOfWorkFactory},
    testing::{FakeClock, MemoryFailures, SequentialIds, SequentialSecrets, memory_storage::MemoryStorage},
    webhook::{WebhookOptions, Webhooks},
};
use activelog_interfaces::http::{ComponentHealth, ComponentStatus, HealthSource, HttpOptions, HttpState, router};
use async_trait::async_trait;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, request::Builder},
};
use bytes::Bytes;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::storage::TroubledStore;

pub(crate) const USER: &str = "01929d5e-0000-7000-8000-0000000000aa";
pub(crate) const NOBODY: &str = "01929d5e-0000-7000-8000-0000000000ff";

/// The API and what is behind it.
pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) store: TroubledStore,
    pub(crate) journal: MemoryStorage,
    pub(crate) health: Arc<Health>,
    pub(crate) orchestrator: Orchestrator<dyn Repositories>,
    pub(crate) pressure: PressureGauge,
}

/// Health as a test says; `None` panics.
pub(crate) struct Health(pub(crate) Mutex<Option<Vec<ComponentHealth>>>);

#[async_trait]
impl HealthSource for Health {
    async fn components(&self) -> Vec<ComponentHealth> {
        let components = self.0.lock().expect("not poisoned").clone();
        components.expect("secret internals")
    }
}

impl Health {
    pub(crate) fn set(&self, components: Option<Vec<(&str, ComponentStatus)>>) {
        let new = components.map(|list| list.into_iter().map(|(n, s)| ComponentHealth::new(n, s)).collect());
        *self.0.lock().expect("not poisoned") = new;
    }
}

impl Default for Api {
    fn default() -> Self {
        Self::new(HttpOptions::default())
    }
}

impl Api {
    pub(crate) fn new(options: HttpOptions) -> Self {
        Self::with_webhooks(options, WebhookOptions::default())
    }

    pub(crate) fn with_webhooks(options: HttpOptions, webhooks: WebhookOptions) -> Self {
        let (store, journal) = (TroubledStore::default(), MemoryStorage::new());
        let (clock, ids) = (Arc::new(FakeClock::default()), Arc::new(SequentialIds::default()));
        let orchestrator: Orchestrator<dyn Repositories> =
            Orchestrator::new(Arc::new(store.clone()), clock.clone(), ids.clone(), OrchestratorOptions::default());
        let health = Arc::new(Health(Mutex::new(Some(Vec::new()))));
        let failures = Arc::new(store.inner.failures());
        let pressure = PressureGauge::default();
        let state = HttpState {
            log: ActivityLog::new(orchestrator.clone()).expect("valid chains"),
            queries: Arc::new(store.inner.clone()),
            webhooks: Webhooks::new(orchestrator.clone(), Arc::new(SequentialSecrets::default()), webhooks)
                .expect("valid chains"),
            webhook_store: Arc::new(store.inner.clone()),
            journal: Arc::new(journal.clone()),
            outbox: Arc::new(journal.clone()),
            failures: FailedEvents::new(failures.clone(), failures),
            clock,
            ids,
            health: health.clone(),
            pressure: pressure.clone(),
        };
        Self { router: router(state, options), store, journal, health, orchestrator, pressure }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body");
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(json_request(Method::POST, path, body)).await
    }

    /// Posts this text as JSON.
    pub(crate) async fn post_raw(&self, body: impl Into<Body>) -> Answer {
        let request = request(Method::POST, "/activities").header("content-type", "application/json");
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Creates an activity and answers it.
    pub(crate) async fn create(&self, change: Value) -> Value {
        let answer = self.post("/activities", &run_with(change)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// What handlers have failed to take.
    pub(crate) fn failures(&self) -> MemoryFailures {
        self.store.inner.failures()
    }

    /// Publishes what has been recorded so far.
    pub(crate) async fn publish(&self) {
        self.journal.append(&self.store.inner.outbox()).await.expect("published");
    }

    /// A transaction beside the API's.
    pub(crate) async fn begin(&self) -> Box<dyn Repositories> {
        let deadline = std::time::Duration::from_secs(5);
        let options = TransactionOptions::new(Isolation::ReadCommitted, deadline);
        self.store.begin(options).await.expect("a transaction")
    }
}

/// A run that is valid.
pub(crate) fn run() -> Value {
    json!({
        "user_id": USER, "type": "run", "title": "Morning run", "duration_minutes": 50,
        "activity_date": "2026-03-12T06:30:00Z",
    })
}

/// A valid run, but for these fields.
pub(crate) fn run_with(change: Value) -> Value {
    let mut run = run();
    for (name, value) in change.as_object().expect("an object") {
        run[name] = value.clone();
    }
    run
}

pub(crate) fn request(method: Method, path: &str) -> Builder {
    Request::builder().method(method).uri(path)
}

pub(crate) fn json_request(method: Method, path: &str, body: &Value) -> Request<Body> {
    let request = request(method, path).header("content-type", "application/json");
    request.body(Body::from(body.to_string())).expect("a request")
}

/// The same request with another header.
pub(crate) fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().append(name, value.parse().expect("a header value"));
    request
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Asserts a problem of this status and kind, and answers it.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:activelog:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for field in ["title", "detail", "instance", "request_id"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {problem}");
        }
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        problem
    }

    /// The names of the fields a problem complains about, in its order.
    pub(crate) fn bad_fields(&self) -> Vec<String> {
        let problem = self.json();
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|e| e["field"].as_str().expect("a field").to_owned()).collect()
    }
}
