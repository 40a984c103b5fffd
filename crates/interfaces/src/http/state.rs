use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_application::{
    activity::{ActivityLog, ports::Queries},
    backpressure::PressureGauge,
    failures::FailedEvents,
    ports::{Clock, IdGenerator, Journal, OutboxStore, StorageError},
    webhook::{Webhooks, ports::WebhookStore},
};

use super::{
    HealthSource,
    problem::{Problem, ProblemKind},
};

/// What the routes work with.
#[derive(Clone)]
pub struct HttpState {
    /// What changes anything.
    pub log: ActivityLog,
    /// What shows anything.
    pub queries: Arc<dyn Queries>,
    /// What changes webhooks.
    pub webhooks: Webhooks,
    /// What shows webhooks.
    pub webhook_store: Arc<dyn WebhookStore>,
    /// The published events.
    pub journal: Arc<dyn Journal>,
    /// The events that wait to be published, for `/health`.
    pub outbox: Arc<dyn OutboxStore>,
    /// The events that handlers have failed to take.
    pub failures: FailedEvents,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids for requests that bring none.
    pub ids: Arc<dyn IdGenerator>,
    /// How the parts of the process are doing.
    pub health: Arc<dyn HealthSource>,
    /// Whether writes may be taken.
    pub pressure: PressureGauge,
}

/// The limits the API keeps.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The largest request body, in bytes. Larger ones are answered with 413.
    pub body_limit: usize,
    /// How many requests are worked on at once; more are answered with 503. Health checks do not count.
    pub max_in_flight: usize,
    /// How many requests per second one client address may make; more are answered with 429. `None`: any number.
    pub rate_limit_per_second: Option<u32>,
    /// How long a body may take to arrive (408 after it).
    pub body_timeout: Duration,
    /// How long a transaction may take to commit, or a read to answer (503 after it).
    pub request_timeout: Duration,
    /// How long `/health` and `/health/ready` wait for the components.
    pub health_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            body_limit: 64 * 1024,
            max_in_flight: 1_024,
            rate_limit_per_second: None,
            body_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(60),
            health_timeout: Duration::from_secs(2),
        }
    }
}

/// State and options as the routes share them. Cheap to clone.
#[derive(Clone)]
pub(super) struct Http(pub(super) Arc<Shared>);

/// See [`Http`].
pub(super) struct Shared {
    pub(super) state: HttpState,
    pub(super) options: HttpOptions,
    /// The idempotency keys of requests being worked on in this process.
    under_way: Mutex<HashSet<(String, String)>>,
}

impl Http {
    pub(super) fn new(state: HttpState, options: HttpOptions) -> Self {
        Self(Arc::new(Shared { state, options, under_way: Mutex::default() }))
    }

    pub(super) fn log(&self) -> &ActivityLog {
        &self.0.state.log
    }

    pub(super) fn queries(&self) -> &dyn Queries {
        &*self.0.state.queries
    }

    pub(super) fn webhooks(&self) -> &Webhooks {
        &self.0.state.webhooks
    }

    pub(super) fn webhook_store(&self) -> &dyn WebhookStore {
        &*self.0.state.webhook_store
    }

    pub(super) fn options(&self) -> &HttpOptions {
        &self.0.options
    }

    /// Waits for a read, no longer than a request may take.
    pub(super) async fn read<T>(&self, read: impl Future<Output = Result<T, StorageError>>) -> Result<T, Problem> {
        match tokio::time::timeout(self.options().request_timeout, read).await {
            Ok(result) => result.map_err(Problem::from),
            Err(_) => Err(Problem::unavailable("The database takes too long to answer.", Duration::from_secs(1))),
        }
    }

    pub(super) fn failures(&self) -> &FailedEvents {
        &self.0.state.failures
    }

    /// Waits for a change that does no harm when it is made twice, no longer than a request may take.
    pub(super) async fn change<T>(&self, change: impl Future<Output = Result<T, StorageError>>) -> Result<T, Problem> {
        match tokio::time::timeout(self.options().request_timeout, change).await {
            Ok(result) => result.map_err(Problem::from),
            Err(_) => {
                let detail = "The database takes too long to answer: it may be done or not. Send it again; twice has the effect of once.";
                Err(Problem::new(ProblemKind::OUTCOME_UNKNOWN, detail).with_retry_after(Duration::from_secs(1)))
            }
        }
    }

    /// Marks a key as being worked on until the answer is dropped. `None` while it already is.
    pub(super) fn begin(&self, scope: &str, key: &str) -> Option<UnderWay> {
        let name = (scope.to_owned(), key.to_owned());
        let mut keys = self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(name.clone()).then(|| UnderWay { http: self.clone(), name })
    }
}

/// An idempotency key that is being worked on.
pub(super) struct UnderWay {
    http: Http,
    name: (String, String),
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.http.0.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
