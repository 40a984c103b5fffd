use std::sync::Arc;

use activelog_domain::{activity::Activity, statistics::Figures};
use async_trait::async_trait;

use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCase, UseCaseError},
};

/// Adds a new activity to its user's totals.
#[derive(Debug, Clone, Copy, Default)]
pub struct UpdateStatistics;

#[async_trait]
impl UseCase<dyn Repositories> for UpdateStatistics {
    type Needs = (Arc<Activity>,);
    type Provides = ();

    fn name(&self) -> &'static str {
        "UpdateStatistics"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (activity,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let now = step.now();
        Ok(step.tx().users().add_to_totals(activity.user_id, Figures::of(&activity), now).await?)
    }
}
