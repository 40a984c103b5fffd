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
    crashes: 3,
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
