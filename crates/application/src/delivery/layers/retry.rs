use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Layer;
use crate::delivery::{FailurePolicy, Handled, Invocation, InvocationError, NextStep, failure::jittered};

/// Tries again as the [`FailurePolicy`] says, for as long as it takes; only when stopping does it give up and return the last
/// error, so that the event goes back to the broker. Bounds how many attempts run at once; pauses take no part of that bound, so that held aggregates cost the
/// others nothing.
#[derive(Clone)]
pub struct RetryLayer {
    policy: FailurePolicy,
    running: Arc<Semaphore>,
    held: Arc<AtomicU64>,
    stop: CancellationToken,
}

impl RetryLayer {
    /// Tries again by `policy` until `stop`, at most `concurrency` attempts at once over all handlers.
    pub fn new(policy: FailurePolicy, concurrency: usize, stop: CancellationToken) -> Self {
        Self { policy, running: Arc::new(Semaphore::new(concurrency.max(1))), held: Arc::default(), stop }
    }

    /// How many events hold their aggregates at the moment, for health.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
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

/// Counts a held event until it is taken or its lane stops.
struct Holding(Arc<AtomicU64>);

impl Holding {
    fn new(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Retried {
    async fn attempt(&self, event: &Arc<EventEnvelope>) -> Result<Handled, InvocationError> {
        // The semaphore is never closed; were it, running unbounded is better than stopping.
        let _running = self.layer.running.acquire().await;
        self.inner.invoke(event).await
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
        let mut holding = None;
        loop {
            let error = match self.attempt(event).await {
                Ok(handled) => return Ok(handled),
                Err(error) => error,
            };
            let counter = if matches!(error, InvocationError::Unavailable(_)) { &mut outages } else { &mut failures };
            *counter += 1;
            let (handler, name, subject) = (self.handler(), &event.name, &event.subject);
            let pause = match self.layer.policy.next(*counter, &error) {
                NextStep::Retry(pause) => {
                    tracing::warn!(handler, event = %event.id, name, subject, ?pause, %error, "event not handled; trying again");
                    pause
                }
                NextStep::Hold(pause) => {
                    if holding.is_none() {
                        holding = Some(Holding::new(&self.layer.held));
                        tracing::error!(handler, event = %event.id, name, subject, %error,
                            "event not handled; its aggregate is held until it is, all others go on");
                    }
                    pause
                }
            };
            let waited = self.layer.stop.run_until_cancelled(tokio::time::sleep(jittered(pause))).await;
            if waited.is_none() {
                return Err(error);
            }
        }
    }
}
