use std::sync::Arc;

use async_trait::async_trait;

use super::ChosenWebhook;
use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCase, UseCaseError},
};

/// Deletes a webhook. Deliveries that were asked for are not made.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeleteWebhook;

#[async_trait]
impl UseCase<dyn Repositories> for DeleteWebhook {
    type Needs = (Arc<ChosenWebhook>,);
    type Provides = ();

    fn name(&self) -> &'static str {
        "DeleteWebhook"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (chosen,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let webhook = chosen.load(step).await?;
        step.tx().webhooks().delete(webhook.id).await?;
        Ok(())
    }
}
