use std::sync::Arc;

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::time::Instant;
use tracing::Instrument;

use super::Layer;
use crate::delivery::{Entry, FailurePolicy, Handled, Invocation, InvocationError};

/// A span around each invocation, and a line with its duration.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanLayer;

impl Layer for SpanLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(Spanned(inner))
    }
}

struct Spanned(Arc<dyn Invocation>);

#[async_trait]
impl Invocation for Spanned {
    fn handler(&self) -> &'static str {
        self.0.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.0.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        let span = tracing::info_span!(
            "handle",
            handler = self.handler(),
            event = %event.id,
            name = %event.name,
            subject = %event.subject,
            correlation_id = %event.correlation_id,
        );
        async {
            let started = Instant::now();
            let result = self.0.invoke(event, entry).await;
            let duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            match &result {
                Ok(handled) => tracing::debug!(?handled, duration_us, "event handled"),
                // Logged where it is dealt with: by the failure machine.
                Err(error) => tracing::debug!(%error, duration_us, "event not handled"),
            }
            result
        }
        .instrument(span)
        .await
    }
}
