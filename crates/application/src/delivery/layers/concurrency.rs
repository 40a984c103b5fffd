use std::sync::Arc;

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::Layer;
use crate::delivery::{Entry, FailurePolicy, Handled, Invocation, InvocationError};

/// Bounds how many attempts run at once, over all handlers. Pauses between attempts take no part of that bound. An attempt that waits for its turn has not
/// begun: with the stop it ends as [`InvocationError::Unavailable`], so that a long queue does not hold up a stop.
#[derive(Clone)]
pub struct ConcurrencyLayer {
    running: Arc<Semaphore>,
    stop: CancellationToken,
}

impl ConcurrencyLayer {
    /// At most `attempts` at once, at least one, until `stop`.
    pub fn new(attempts: usize, stop: CancellationToken) -> Self {
        Self { running: Arc::new(Semaphore::new(attempts.clamp(1, Semaphore::MAX_PERMITS))), stop }
    }
}

impl Layer for ConcurrencyLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(Bounded { layer: self.clone(), inner })
    }
}

struct Bounded {
    layer: ConcurrencyLayer,
    inner: Arc<dyn Invocation>,
}

#[async_trait]
impl Invocation for Bounded {
    fn handler(&self) -> &'static str {
        self.inner.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.inner.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        // The semaphore is never closed; were it, running unbounded is better than stopping.
        let Some(_running) = self.layer.stop.run_until_cancelled(self.layer.running.acquire()).await else {
            return Err(InvocationError::Unavailable("the worker is stopping".into()));
        };
        self.inner.invoke(event, entry).await
    }
}
