use std::sync::Arc;

use activelog_domain::webhook::SigningSecret;
use async_trait::async_trait;
use jiff::Timestamp;

use super::ChosenWebhook;
use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCase, UseCaseError},
    webhook::{Webhook, WebhookOptions, ports::SecretSource},
};

/// Gives a webhook a new secret.
pub struct RotateSecret {
    /// Where secrets come from.
    pub secrets: Arc<dyn SecretSource>,
}

#[async_trait]
impl UseCase<dyn Repositories> for RotateSecret {
    type Needs = (Arc<ChosenWebhook>,);
    type Provides = (Webhook, SigningSecret);

    fn name(&self) -> &'static str {
        "RotateSecret"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (chosen,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let webhook = chosen.load(step).await?;
        let secret = self.secrets.new_secret().map_err(UseCaseError::rejected)?;
        let until = step.now().checked_add(WebhookOptions::SECRET_OVERLAP).unwrap_or(Timestamp::MAX);
        step.tx().webhooks().replace_secret(webhook.id, &secret, until).await?;
        Ok((webhook, secret))
    }
}
