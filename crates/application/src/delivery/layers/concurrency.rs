use std::sync::Arc;

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::sync::Semaphore;

use super::Layer;
use crate::delivery::{Entry, FailurePolicy, Handled, Invocation, InvocationError};

/// Bounds how many attempts run at once, over all handlers. Pauses between attempts take no part of that bound.
#[derive(Clone)]
pub struct ConcurrencyLayer(Arc<Semaphore>);

impl ConcurrencyLayer {
    /// At most `attempts` at once; at least one.
    pub fn new(attempts: usize) -> Self {
        Self(Arc::new(Semaphore::new(attempts.clamp(1, Semaphore::MAX_PERMITS))))
    }
}

impl Layer for ConcurrencyLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(Bounded { running: self.0.clone(), inner })
    }
}

struct Bounded {
    running: Arc<Semaphore>,
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
        let _running = self.running.acquire().await;
        self.inner.invoke(event, entry).await
    }
}
