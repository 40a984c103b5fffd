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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{
        handlers::fixture::{ANNA, BERT, Fixture, chosen, refusal},
        ports::WebhookStore,
        use_cases::ChosenWebhook,
    };

    #[tokio::test]
    async fn a_webhook_is_shown_with_its_secret_once() {
        let f = Fixture::new();
        let (webhook, secret) = f.register(ANNA, &["activity.*"]).await.expect("a webhook");
        assert_eq!(secret.expose_bytes(), [1; SigningSecret::LENGTH]);
        assert_eq!(f.shown(&webhook).await, webhook);
        assert!(!format!("{webhook:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn a_user_has_twenty_at_most() {
        let f = Fixture::new();
        for _ in 0..WebhookOptions::PER_USER {
            f.register(ANNA, &["#"]).await.expect("a webhook");
        }
        let many = WebhookError::TooMany { user: ANNA, most: WebhookOptions::PER_USER };
        assert_eq!(refusal(f.register(ANNA, &["#"]).await), many);
        f.register(BERT, &["#"]).await.expect("another user's webhook");
        let first = f.store.webhooks(ANNA).await.expect("webhooks").remove(0);
        f.webhooks.delete(chosen(&first)).await.expect("deleted");
        f.register(ANNA, &["#"]).await.expect("room again");
    }

    #[tokio::test]
    async fn nothing_is_registered_where_webhooks_are_switched_off() {
        let f = Fixture::with(WebhookOptions { enabled: false, ..WebhookOptions::default() });
        assert_eq!(refusal(f.register(ANNA, &["#"]).await), WebhookError::SwitchedOff);
    }

    #[tokio::test]
    async fn another_users_webhook_is_hidden_and_left_alone() {
        let f = Fixture::new();
        let webhook = f.registered().await;
        let hidden = WebhookError::NotFound { id: webhook.id };
        let foreign = ChosenWebhook { actor: Actor::User(BERT), user: BERT, webhook: webhook.id };
        let forbidden = ChosenWebhook { actor: Actor::User(BERT), ..chosen(&webhook) };
        for (choice, expected) in [(foreign, hidden), (forbidden, WebhookError::Forbidden { user: ANNA })] {
            assert_eq!(refusal(f.webhooks.delete(choice).await), expected);
            assert_eq!(refusal(f.webhooks.enable(choice).await), expected);
            assert_eq!(refusal(f.webhooks.rotate_secret(choice).await), expected);
        }
        assert_eq!(f.shown(&webhook).await, webhook);
    }
}
