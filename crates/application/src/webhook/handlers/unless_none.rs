use std::sync::Arc;

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

use crate::{
    delivery::{Entry, FailurePolicy, Handled, Invocation, InvocationError, Layer},
    webhook::ports::WebhookStore,
};

/// Passes over events while there is no webhook at all, so that installations without any do not pay a transaction per event for them.
///
/// It asks when the event is handled. A webhook that was registered before the event happened is there by then.
#[derive(Clone)]
pub struct UnlessNoneLayer(Arc<dyn WebhookStore>);

impl UnlessNoneLayer {
    /// A layer that asks `store`.
    pub fn new(store: Arc<dyn WebhookStore>) -> Self {
        Self(store)
    }
}

impl Layer for UnlessNoneLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(UnlessNone { store: self.0.clone(), inner })
    }
}

struct UnlessNone {
    store: Arc<dyn WebhookStore>,
    inner: Arc<dyn Invocation>,
}

#[async_trait]
impl Invocation for UnlessNone {
    fn handler(&self) -> &'static str {
        self.inner.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.inner.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        // What is parked has to be taken off its lane, whatever there is.
        if *entry == Entry::Delivered {
            let any = self.store.any_enabled().await;
            if !any.map_err(|error| InvocationError::Unavailable(error.into()))? {
                return Ok(Handled::Committed);
            }
        }
        self.inner.invoke(event, entry).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delivery::Layer,
        ports::StorageErrorKind,
        webhook::{
            handlers::fixture::{ANNA, BERT, Fixture, chosen},
            ports::WebhookStore,
        },
    };

    #[tokio::test]
    async fn events_are_passed_over_until_there_is_a_webhook() {
        let f = Fixture::new();
        let store: Arc<dyn WebhookStore> = Arc::new(f.store.clone());
        let layer = UnlessNoneLayer::new(store);
        let event = Arc::new(f.created(ANNA).await);
        let handler = layer.wrap(f.handler("webhooks", &event));
        let before = f.store.outbox().len();
        for _ in 0..2 {
            assert_eq!(handler.invoke(&event, &Entry::Delivered).await.expect("passed over"), Handled::Committed);
        }
        let webhook = f.registered().await;
        assert_eq!(handler.invoke(&event, &Entry::Delivered).await.expect("taken"), Handled::Committed);
        assert_eq!(handler.invoke(&event, &Entry::Delivered).await.expect("taken"), Handled::AlreadyTaken);
        assert_eq!(f.store.outbox().len(), before + 1);
        // Another user's webhook is enough for the question to be asked.
        f.webhooks.delete(chosen(&webhook)).await.expect("deleted");
        f.register(BERT, &["#"]).await.expect("a webhook");
        assert_eq!(handler.invoke(&event, &Entry::Delivered).await.expect("taken"), Handled::AlreadyTaken);
    }

    #[tokio::test]
    async fn a_database_that_is_away_is_waited_for() {
        let f = Fixture::new();
        let event = Arc::new(f.created(ANNA).await);
        let handler = UnlessNoneLayer::new(Arc::new(f.store.clone())).wrap(f.handler("webhooks", &event));
        f.store.fail_next("look for enabled webhooks", StorageErrorKind::Unavailable);
        let outcome = handler.invoke(&event, &Entry::Delivered).await;
        assert!(matches!(outcome, Err(InvocationError::Unavailable(_))), "{outcome:?}");
    }
}
