use std::{fmt, sync::Arc};

use super::{
    WebhookOptions,
    ports::SecretSource,
    use_cases::{ChosenWebhook, DeleteWebhook, EnableWebhook, NewWebhook, RegisterWebhook, RotateSecret},
};
use crate::{
    activity::ports::Repositories,
    orchestrator::{Chain, ChainError, CheckedChain, Orchestrator, Run},
};

/// What a front end may ask about webhooks. Cheap to clone.
///
/// Every method answers a [`Run`], as those of [`ActivityLog`](crate::activity::ActivityLog) do. A refusal is a
/// [`WebhookError`](super::WebhookError): `Forbidden`, or `NotFound` also for a webhook of another user.
#[derive(Clone)]
pub struct Webhooks {
    orchestrator: Orchestrator<dyn Repositories>,
    options: WebhookOptions,
    chains: Arc<Chains>,
}

/// The chains, checked once.
struct Chains {
    register: CheckedChain<dyn Repositories, NewWebhook>,
    delete: CheckedChain<dyn Repositories, ChosenWebhook>,
    enable: CheckedChain<dyn Repositories, ChosenWebhook>,
    rotate_secret: CheckedChain<dyn Repositories, ChosenWebhook>,
}

impl Webhooks {
    /// Webhooks, their transactions run by `orchestrator`, with secrets from `secrets`. Builds and checks every chain, once.
    pub fn new(
        orchestrator: Orchestrator<dyn Repositories>,
        secrets: Arc<dyn SecretSource>,
        options: WebhookOptions,
    ) -> Result<Self, ChainError> {
        let register = RegisterWebhook { secrets: secrets.clone(), options };
        let chains = Chains {
            register: Chain::new().then(register).build()?,
            delete: Chain::new().then(DeleteWebhook).build()?,
            enable: Chain::new().then(EnableWebhook).build()?,
            rotate_secret: Chain::new().then(RotateSecret { secrets }).build()?,
        };
        Ok(Self { orchestrator, options, chains: Arc::new(chains) })
    }

    /// What holds for all webhooks here.
    pub fn options(&self) -> WebhookOptions {
        self.options
    }

    /// Registers a webhook.
    ///
    /// Outputs: [`Webhook`](super::Webhook), [`SigningSecret`](activelog_domain::webhook::SigningSecret). Refusals: also `TooMany`,
    /// `SwitchedOff`.
    pub fn register(&self, input: NewWebhook) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.register, input)
    }

    /// Deletes a webhook, and with it all that it has not got yet. No outputs.
    pub fn delete(&self, input: ChosenWebhook) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.delete, input)
    }

    /// Enables a webhook and forgets its trouble, whatever its state was.
    ///
    /// Outputs: [`Webhook`](super::Webhook).
    pub fn enable(&self, input: ChosenWebhook) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.enable, input)
    }

    /// Gives a webhook a new secret. Deliveries are signed with both for [`WebhookOptions::SECRET_OVERLAP`].
    ///
    /// Outputs: [`Webhook`](super::Webhook), [`SigningSecret`](activelog_domain::webhook::SigningSecret).
    pub fn rotate_secret(&self, input: ChosenWebhook) -> Run<dyn Repositories> {
        self.orchestrator.run(&self.chains.rotate_secret, input)
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("options", &self.options).finish_non_exhaustive()
    }
}
