use activelog_domain::user::{Actor, UserId};
use uuid::Uuid;

use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCaseError},
    webhook::{Webhook, WebhookError},
};

/// A webhook that something is to be done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenWebhook {
    /// Who asks.
    pub actor: Actor,
    /// Whose webhook.
    pub user: UserId,
    /// Which.
    pub webhook: Uuid,
}

impl ChosenWebhook {
    /// The webhook, locked until the transaction ends.
    pub(super) async fn load(self, step: &mut Step<'_, dyn Repositories>) -> Result<Webhook, UseCaseError> {
        if !self.actor.may_act_for(self.user) {
            return Err(UseCaseError::rejected(WebhookError::Forbidden { user: self.user }));
        }
        let found = step.tx().webhooks().find_for_update(self.webhook).await?;
        let own = found.filter(|webhook| webhook.user_id == self.user);
        own.ok_or_else(|| UseCaseError::rejected(WebhookError::NotFound { id: self.webhook }))
    }
}
