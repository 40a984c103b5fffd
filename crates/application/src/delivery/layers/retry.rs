use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Layer;
use crate::delivery::{FailurePolicy, Handled, Invocation, InvocationError, NextStep, failure::jittered};

/// Tries again as the [`FailurePolicy`] says: quick attempts, and outages, within the lane; after them the event is held, which is
/// [`InvocationError::Held`]. When stopping it returns the last error, so that the event goes back to the broker. Bounds how many attempts
/// run at once; pauses take no part of that bound.
#[derive(Clone)]
pub struct RetryLayer {
    policy: FailurePolicy,
    running: Arc<Semaphore>,
    held: Arc<Mutex<Held>>,
    stop: CancellationToken,
}

/// Which events hold their aggregates, by handler, and when they last failed.
type Held = HashMap<(&'static str, Uuid), Instant>;

impl RetryLayer {
    /// Tries again by `policy` until `stop`, at most `concurrency` attempts at once over all handlers.
    pub fn new(policy: FailurePolicy, concurrency: usize, stop: CancellationToken) -> Self {
        Self { policy, running: Arc::new(Semaphore::new(concurrency.max(1))), held: Arc::default(), stop }
    }

    /// How many events hold their aggregates at the moment, for health. One that has not come again for long has gone to another worker.
    pub fn held(&self) -> u64 {
        let mut held = self.lock();
        held.retain(|_, failed| failed.elapsed() < self.policy.longest_pause * 3);
        held.len() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layer for RetryLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(Retried { layer: self.clone(), inner })
    }
}

struct Retried {
    layer: RetryLayer,
    inner: Arc<dyn Invocation>,
}

impl Retried {
    async fn attempt(&self, event: &Arc<EventEnvelope>) -> Result<Handled, InvocationError> {
        // The semaphore is never closed; were it, running unbounded is better than stopping.
        let _running = self.layer.running.acquire().await;
        self.inner.invoke(event).await
    }

    /// Notes that the event holds its aggregate, and says so the first time.
    fn hold(&self, event: &EventEnvelope, error: &InvocationError) {
        let first = self.layer.lock().insert((self.handler(), event.id), Instant::now()).is_none();
        if first {
            tracing::error!(handler = self.handler(), event = %event.id, name = %event.name, subject = %event.subject, %error,
                "event not handled; its aggregate is held until it is, all others go on");
        }
    }
}

#[async_trait]
impl Invocation for Retried {
    fn handler(&self) -> &'static str {
        self.inner.handler()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>) -> Result<Handled, InvocationError> {
        let mut failures = 0;
        let mut outages = 0;
        loop {
            let error = match self.attempt(event).await {
                Ok(handled) => {
                    self.layer.lock().remove(&(self.handler(), event.id));
                    return Ok(handled);
                }
                Err(error) => error,
            };
            let counter = if matches!(error, InvocationError::Unavailable(_)) { &mut outages } else { &mut failures };
            *counter += 1;
            let pause = match self.layer.policy.next(*counter, &error) {
                NextStep::Retry(pause) => jittered(pause),
                NextStep::Hold(pause) => {
                    self.hold(event, &error);
                    return Err(InvocationError::Held { pause: jittered(pause), source: error.into() });
                }
            };
            // An outage concerns every event: told once per event it would drown the log.
            if *counter == 1 && !matches!(error, InvocationError::Unavailable(_)) {
                tracing::warn!(handler = self.handler(), event = %event.id, name = %event.name, subject = %event.subject, ?pause, %error,
                    "event not handled; trying again");
            } else {
                tracing::debug!(handler = self.handler(), event = %event.id, attempt = *counter, ?pause, %error, "trying again");
            }
            let waited = self.layer.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            if waited.is_none() {
                return Err(error);
            }
        }
    }
}
