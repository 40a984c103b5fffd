use std::sync::Arc;

use activelog_domain::{
    user::{Actor, UserId},
    webhook::{SigningSecret, WebhookDescription, WebhookUrl},
};
use async_trait::async_trait;

use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCase, UseCaseError},
    webhook::{Webhook, WebhookError, WebhookEvents, WebhookOptions, WebhookState, ports::SecretSource},
};

/// What is needed to register a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebhook {
    /// Who asks.
    pub actor: Actor,
    /// Whose it will be.
    pub user: UserId,
    /// Where it is.
    pub url: WebhookUrl,
    /// Which of the user's events it wants.
    pub events: WebhookEvents,
    /// What it is for.
    pub description: Option<WebhookDescription>,
}

/// Registers a webhook and gives it a secret.
pub struct RegisterWebhook {
    /// Where secrets come from.
    pub secrets: Arc<dyn SecretSource>,
    /// What holds for all webhooks.
    pub options: WebhookOptions,
}

#[async_trait]
impl UseCase<dyn Repositories> for RegisterWebhook {
    type Needs = (Arc<NewWebhook>,);
    type Provides = (Webhook, SigningSecret);

    fn name(&self) -> &'static str {
        "RegisterWebhook"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (input,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let user = input.user;
        if !input.actor.may_act_for(user) {
            return Err(UseCaseError::rejected(WebhookError::Forbidden { user }));
        }
        if !self.options.enabled {
            return Err(UseCaseError::rejected(WebhookError::SwitchedOff));
        }
        let most = WebhookOptions::PER_USER;
        if step.tx().webhooks().lock_and_count(user).await? >= most {
            return Err(UseCaseError::rejected(WebhookError::TooMany { user, most }));
        }
        let webhook = Webhook {
            id: step.next_id(),
            user_id: user,
            url: input.url.clone(),
            events: input.events.clone(),
            description: input.description.clone(),
            state: WebhookState::Enabled,
            trouble: None,
            created_at: step.now(),
        };
        let secret = self.secrets.new_secret().map_err(UseCaseError::rejected)?;
        step.tx().webhooks().insert(&webhook, &secret).await?;
        Ok((webhook, secret))
    }
}
