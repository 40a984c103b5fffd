use std::{sync::Arc, time::Duration};

use activelog_domain::{notification::Notification, webhook::WebhookDeliveryRequested};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    activity::ports::Repositories,
    delivery::{EffectHandler, FailurePolicy, HandlerError, Received},
    orchestrator::Step,
    ports::{AfterDeadLetter, Clock},
    webhook::{
        DisabledReason, Webhook, WebhookOptions, WebhookState,
        ports::{SendError, WebhookRequest, WebhookSender, WebhookStore},
    },
};

/// The kind of notification that tells of a webhook that was disabled.
pub const WEBHOOK_DISABLED: &str = "webhook.disabled";

/// About half a day of attempts for one delivery. The next one then has its turn: what a receiver cannot stand must not keep everything
/// else from it.
const POLICY: FailurePolicy = FailurePolicy {
    quick_attempts: 1,
    quick_pause: Duration::from_secs(1),
    attempts: 20,
    first_backoff: Duration::from_secs(5),
    longest_backoff: Duration::from_secs(60 * 60),
    // Whoever is waiting for a slow receiver is likely to be killed meanwhile, through no fault of the delivery.
    crashes: 6,
    after_dead_letter: AfterDeadLetter::Continue,
    time_limit: Duration::from_secs(30).saturating_add(WebhookOptions::TIMEOUT_MAX),
};

/// Sends events to webhooks. It may send one more than once, always under the same id.
///
/// A delivery that fails is tried again like any event that a handler has failed to take. Who fails for too long, or says that it is
/// gone, is disabled, and its owner is told.
pub struct WebhookDeliveryHandler {
    store: Arc<dyn WebhookStore>,
    sender: Arc<dyn WebhookSender>,
    clock: Arc<dyn Clock>,
    disable_after: SignedDuration,
}

/// What came of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEffect {
    /// The webhook is disabled or deleted: nothing was sent.
    Skipped,
    /// The receiver has taken it.
    Delivered {
        /// Whether it had trouble before.
        recovered: bool,
    },
    /// The webhook gets nothing any more.
    Disable {
        /// Why.
        reason: DisabledReason,
    },
}

impl WebhookDeliveryHandler {
    /// A handler that disables webhooks which have failed for `disable_after` without one success.
    pub fn new(
        store: Arc<dyn WebhookStore>,
        sender: Arc<dyn WebhookSender>,
        clock: Arc<dyn Clock>,
        disable_after: Duration,
    ) -> Self {
        let disable_after = SignedDuration::try_from(disable_after).unwrap_or(SignedDuration::MAX);
        Self { store, sender, clock, disable_after }
    }

    /// Notes the failure. The error says that trying again may help, unless it is time to give up on the webhook.
    async fn failed(&self, webhook: Uuid, error: SendError) -> Result<DeliveryEffect, HandlerError> {
        if error == SendError::Gone {
            return Ok(DeliveryEffect::Disable { reason: DisabledReason::Gone });
        }
        let now = self.clock.now();
        match self.store.note_failure(webhook, now, &error.to_string()).await? {
            None => Ok(DeliveryEffect::Skipped),
            Some(since) if now.duration_since(since) >= self.disable_after => {
                Ok(DeliveryEffect::Disable { reason: DisabledReason::Failing })
            }
            Some(_) => Err(HandlerError::retry(error)),
        }
    }
}

#[async_trait]
impl EffectHandler<WebhookDeliveryRequested, dyn Repositories> for WebhookDeliveryHandler {
    type Effect = DeliveryEffect;

    fn name(&self) -> &'static str {
        "webhook-delivery"
    }

    fn failure_policy(&self) -> Option<FailurePolicy> {
        Some(POLICY)
    }

    async fn perform(&self, received: &Received<'_, WebhookDeliveryRequested>) -> Result<DeliveryEffect, HandlerError> {
        let delivery = &received.event;
        let timestamp = self.clock.now();
        let Some(target) = self.store.target(delivery.webhook_id, timestamp).await? else {
            return Ok(DeliveryEffect::Skipped);
        };
        let body = serde_json::to_vec(&delivery.event).map_err(HandlerError::permanent)?.into();
        let request =
            WebhookRequest { url: target.url, id: delivery.event.id, timestamp, secrets: target.secrets, body };
        match self.sender.send(request).await {
            Ok(()) => Ok(DeliveryEffect::Delivered { recovered: target.in_trouble }),
            Err(error) => self.failed(delivery.webhook_id, error).await,
        }
    }

    async fn record(
        &self,
        received: &Received<'_, WebhookDeliveryRequested>,
        effect: &DeliveryEffect,
        step: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        let id = received.event.webhook_id;
        match *effect {
            DeliveryEffect::Skipped | DeliveryEffect::Delivered { recovered: false } => Ok(()),
            DeliveryEffect::Delivered { recovered: true } => Ok(step.tx().webhooks().forget_trouble(id).await?),
            DeliveryEffect::Disable { reason } => disable(step, id, reason).await,
        }
    }
}

/// Disables a webhook and tells its owner, unless somebody has done so before.
async fn disable(step: &mut Step<'_, dyn Repositories>, id: Uuid, reason: DisabledReason) -> Result<(), HandlerError> {
    let found = step.tx().webhooks().find_for_update(id).await?;
    let Some(webhook) = found.filter(|webhook| webhook.state == WebhookState::Enabled) else { return Ok(()) };
    let now = step.now();
    step.tx().webhooks().disable(id, now, reason).await?;
    let notification = Notification {
        id: step.next_id(),
        user_id: webhook.user_id,
        kind: WEBHOOK_DISABLED.to_owned(),
        message: message(&webhook, reason, now),
        created_at: now,
        read_at: None,
    };
    step.tx().notifications().insert(&notification).await?;
    Ok(())
}

fn message(webhook: &Webhook, reason: DisabledReason, now: Timestamp) -> String {
    let why = match (reason, &webhook.trouble) {
        (DisabledReason::Gone, _) => "the receiver says that it is gone (410)".to_owned(),
        (DisabledReason::Failing, None) => "it has failed for too long".to_owned(),
        (DisabledReason::Failing, Some(trouble)) => {
            let hours = now.duration_since(trouble.since).as_hours();
            format!("it has failed for {hours} hours, {} times; the last time {}", trouble.failures, trouble.reason)
        }
    };
    format!(
        "Your webhook {} at {} was disabled: {why}. It misses what happens until you enable it again.",
        webhook.id, webhook.url
    )
}

#[cfg(test)]
mod tests {
    use activelog_domain::event::EventEnvelope;

    use super::*;
    use crate::{
        delivery::{Handled, InvocationError},
        webhook::handlers::fixture::{Fixture, chosen},
    };

    fn failed(result: Result<Handled, InvocationError>) -> String {
        match result {
            Err(InvocationError::Failed(error)) => error.to_string(),
            other => panic!("a failure to be tried again, not {other:?}"),
        }
    }

    #[tokio::test]
    async fn the_event_is_sent_as_a_cloud_event_under_its_own_id() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        let delivery = f.delivery().await;
        assert_eq!(f.deliver(&delivery).await.expect("delivered"), Handled::Committed);
        assert_eq!(f.deliver(&delivery).await.expect("known"), Handled::AlreadyTaken);
        let [request] = &f.receivers.requests()[..] else { panic!("one request") };
        let event: EventEnvelope = serde_json::from_slice(&request.body).expect("a CloudEvent");
        let requested: WebhookDeliveryRequested = delivery.open().expect("opens");
        assert_eq!((request.id, &event), (requested.event.id, &requested.event));
        assert_eq!((request.url.clone(), request.secrets.len()), (webhook.url, 1));
    }

    #[tokio::test]
    async fn a_failure_is_noted_and_tried_again_and_a_success_ends_the_trouble() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        let delivery = f.delivery().await;
        let began = f.clock_now();
        f.receivers.fail([SendError::Status(500), SendError::TimedOut, SendError::Status(404)]);
        for expected in ["answered 500", "did not answer in time", "answered 404"] {
            assert!(failed(f.deliver(&delivery).await).contains(expected));
            f.pass(SignedDuration::from_hours(1));
        }
        let trouble = f.shown(&webhook).await.trouble.expect("trouble");
        assert_eq!((trouble.since, trouble.failures), (began, 3));
        assert!(trouble.reason.contains("404"), "{}", trouble.reason);
        assert_eq!(f.deliver(&delivery).await.expect("delivered"), Handled::Committed);
        assert_eq!(f.shown(&webhook).await, webhook);
        let ids: Vec<Uuid> = f.receivers.requests().iter().map(|request| request.id).collect();
        assert!(ids.len() == 4 && ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    }

    #[tokio::test]
    async fn who_fails_for_too_long_is_disabled_and_its_owner_is_told_once() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        let (first, second) = (f.delivery().await, f.delivery().await);
        f.receivers.fail(vec![SendError::Status(503); 10]);
        for _ in 0..3 {
            assert!(failed(f.deliver(&first).await).contains("503"));
            f.pass(SignedDuration::from_hours(24));
        }
        assert_eq!(f.deliver(&first).await.expect("given up"), Handled::Committed);
        let at = f.clock_now();
        let state = WebhookState::Disabled { at, reason: DisabledReason::Failing };
        assert_eq!(f.shown(&webhook).await.state, state);
        let [told] = &f.notifications(WEBHOOK_DISABLED).await[..] else { panic!("one notification") };
        assert!(told.message.contains("failed for 72 hours, 4 times; the last time the receiver answered 503"));
        assert!(told.message.contains("https://example.com") && !told.message.contains("s3cret"), "{}", told.message);
        // What was asked for before is skipped, and nothing new is asked for.
        assert_eq!(f.receivers.requests().len(), 4);
        assert_eq!(f.deliver(&second).await.expect("skipped"), Handled::Committed);
        let event = f.created(webhook.user_id).await;
        assert_eq!(f.fan_out(&event).await, []);
        assert_eq!((f.receivers.requests().len(), f.notifications(WEBHOOK_DISABLED).await.len()), (0, 1));
    }

    #[tokio::test]
    async fn who_is_enabled_again_has_all_the_time_again() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        let delivery = f.delivery().await;
        f.receivers.fail([SendError::Gone, SendError::Forbidden]);
        assert_eq!(f.deliver(&delivery).await.expect("given up"), Handled::Committed);
        let shown = f.shown(&webhook).await;
        assert!(matches!(shown.state, WebhookState::Disabled { reason: DisabledReason::Gone, .. }), "{shown:?}");
        assert!(f.notifications(WEBHOOK_DISABLED).await[0].message.contains("gone (410)"));
        f.pass(SignedDuration::from_hours(1_000));
        f.webhooks.enable(chosen(&webhook)).await.expect("enabled");
        assert_eq!(f.shown(&webhook).await, webhook);
        let delivery = f.delivery().await;
        assert!(failed(f.deliver(&delivery).await).contains("not on the public internet"));
    }

    #[tokio::test]
    async fn what_was_asked_for_before_a_webhook_was_deleted_is_skipped() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        let delivery = f.delivery().await;
        f.webhooks.delete(chosen(&webhook)).await.expect("deleted");
        assert_eq!(f.deliver(&delivery).await.expect("skipped"), Handled::Committed);
        assert!(f.receivers.requests().is_empty());
    }

    #[tokio::test]
    async fn both_secrets_sign_for_a_day_after_a_rotation() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        f.webhooks.rotate_secret(chosen(&webhook)).await.expect("rotated");
        for (hours, expected) in [(23, vec![2, 1]), (1, vec![2])] {
            f.pass(SignedDuration::from_hours(hours));
            let delivery = f.delivery().await;
            f.deliver(&delivery).await.expect("delivered");
            let secrets: Vec<u8> = f.receivers.requests()[0].secrets.iter().map(|s| s.expose_bytes()[0]).collect();
            assert_eq!(secrets, expected);
        }
    }

    #[tokio::test]
    async fn an_outage_of_the_database_is_not_the_receivers_failure() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        let delivery = f.delivery().await;
        f.store.fail_next("find target of webhook", crate::ports::StorageErrorKind::Unavailable);
        assert!(matches!(f.deliver(&delivery).await, Err(InvocationError::Unavailable(_))));
        assert!(f.receivers.requests().is_empty());
        assert_eq!(f.shown(&webhook).await, webhook);
    }
}
