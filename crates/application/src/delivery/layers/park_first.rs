use std::sync::Arc;

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

use super::Layer;
use crate::delivery::{Entry, FailurePolicy, Handled, Invocation, InvocationError};

/// Has events parked as they arrive from the broker, so that a [`Retrier`](crate::delivery::Retrier) gives them to the handler.
///
/// It is for handlers that wait for others outside. What waits for a slow one then takes nothing of the consumer's bounds, however much it
/// is, and each key goes at its own pace. It goes inside of the layer of the [`FailureMachine`](crate::delivery::FailureMachine); the
/// retrier has routes without it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParkFirstLayer;

impl Layer for ParkFirstLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(ParkedFirst(inner))
    }
}

struct ParkedFirst(Arc<dyn Invocation>);

#[async_trait]
impl Invocation for ParkedFirst {
    fn handler(&self) -> &'static str {
        self.0.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.0.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        match entry {
            // As if another were parked before it. One that was taken before is not parked again.
            Entry::Delivered => Ok(Handled::Behind),
            Entry::Parked { .. } | Entry::Replayed => self.0.invoke(event, entry).await,
        }
    }
}
