use std::sync::Arc;

use activelog_domain::{statistics::Figures, user::UserId};
use async_trait::async_trait;

use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCase, UseCaseError},
};

/// By how much a change of an activity changes its user's totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotalsChange {
    /// Whose totals.
    pub user: UserId,
    /// The difference; zero when the figures are as before.
    pub change: Figures,
}

/// Corrects a user's totals after an activity has been changed or deleted. Writes nothing when they stay as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct CorrectStatistics;

#[async_trait]
impl UseCase<dyn Repositories> for CorrectStatistics {
    type Needs = (Arc<TotalsChange>,);
    type Provides = ();

    fn name(&self) -> &'static str {
        "CorrectStatistics"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (totals,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        if !totals.change.is_zero() {
            let now = step.now();
            step.tx().users().add_to_totals(totals.user, totals.change, now).await?;
        }
        Ok(())
    }
}
