use activelog_domain::webhook::WebhookDeliveryRequested;
use async_trait::async_trait;

use crate::{
    activity::{handlers::ActivityChange, ports::Repositories},
    delivery::{EventHandler, HandlerError, Received},
    orchestrator::Step,
};

/// Asks for a delivery to each of the user's webhooks that wants the event. Webhooks that are disabled get nothing, not even later.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebhooksHandler;

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for WebhooksHandler {
    fn name(&self) -> &'static str {
        "webhooks"
    }

    async fn handle(
        &self,
        received: &Received<'_, E>,
        step: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        let user = received.event.change().user;
        // Locked until the commit, so that each webhook's deliveries are recorded in the order in which they are counted.
        let enabled = step.tx().webhooks().enabled(user).await?;
        for webhook in enabled.into_iter().filter(|webhook| webhook.events.want(E::NAME)) {
            if let Some(sequence) = step.tx().webhooks().next_delivery(webhook.id).await? {
                let event = received.envelope.clone();
                step.record(&WebhookDeliveryRequested { webhook_id: webhook.id, sequence, event })?;
            }
        }
        Ok(())
    }
}
