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
            let counted = step.tx().webhooks().next_delivery(webhook.id).await?;
            if let Some(sequence) = counted {
                let event = received.envelope.clone();
                step.record(&WebhookDeliveryRequested { webhook_id: webhook.id, sequence, event })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::webhook::handlers::fixture::{ANNA, BERT, Fixture};

    #[tokio::test]
    async fn each_webhook_that_wants_an_event_is_told_in_its_own_order() {
        let f = Fixture::new();
        let created = f.register(ANNA, &["activity.created"]).await.expect("a webhook").0;
        let everything = f.register(ANNA, &["activity.*", "#"]).await.expect("a webhook").0;
        f.register(ANNA, &["activity.deleted"]).await.expect("a webhook");
        f.register(BERT, &["#"]).await.expect("a webhook");
        for sequence in 1..=3 {
            let event = f.created(ANNA).await;
            let deliveries = f.fan_out(&event).await;
            let told: Vec<(Uuid, u64)> = deliveries
                .iter()
                .map(|envelope| {
                    let delivery: WebhookDeliveryRequested = envelope.open().expect("opens");
                    assert_eq!(delivery.event, event);
                    assert_eq!(envelope.partition_key, format!("webhook-{}", delivery.webhook_id));
                    assert_eq!(envelope.causation_id, Some(event.id));
                    (delivery.webhook_id, delivery.sequence)
                })
                .collect();
            assert_eq!(told, [(created.id, sequence), (everything.id, sequence)]);
        }
    }

    #[tokio::test]
    async fn who_has_no_webhook_costs_no_event() {
        let f = Fixture::new();
        let event = f.created(BERT).await;
        assert_eq!(f.fan_out(&event).await, []);
    }
}
