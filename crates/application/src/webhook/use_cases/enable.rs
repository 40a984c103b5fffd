use std::sync::Arc;

use async_trait::async_trait;

use super::ChosenWebhook;
use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCase, UseCaseError},
    webhook::{Webhook, WebhookState},
};

/// Enables a webhook and forgets its trouble.
#[derive(Debug, Clone, Copy, Default)]
pub struct EnableWebhook;

#[async_trait]
impl UseCase<dyn Repositories> for EnableWebhook {
    type Needs = (Arc<ChosenWebhook>,);
    type Provides = (Webhook,);

    fn name(&self) -> &'static str {
        "EnableWebhook"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (chosen,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let webhook = chosen.load(step).await?;
        step.tx().webhooks().enable(webhook.id).await?;
        Ok((Webhook { state: WebhookState::Enabled, trouble: None, ..webhook },))
    }
}
