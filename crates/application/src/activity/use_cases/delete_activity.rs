use std::sync::Arc;

use activelog_domain::{
    activity::{Activity, ActivityDeleted, ActivitySnapshot},
    statistics::Figures,
    user::Actor,
};
use async_trait::async_trait;
use uuid::Uuid;

use super::TotalsChange;
use crate::{
    activity::{
        ports::Repositories,
        stored_activity::{changed_meanwhile, load},
    },
    orchestrator::{Step, UseCase, UseCaseError},
};

/// What is needed to delete an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeleteActivity {
    /// Who asks.
    pub actor: Actor,
    /// The activity.
    pub id: Uuid,
    /// The version the caller has seen; `None` takes any.
    pub expected: Option<u64>,
}

/// Deletes an activity and records it. The deletion counts as a version, so that it comes after every change in the
/// activity's order of events.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveActivity;

#[async_trait]
impl UseCase<dyn Repositories> for RemoveActivity {
    type Needs = (Arc<DeleteActivity>,);
    type Provides = (Activity, TotalsChange);

    fn name(&self) -> &'static str {
        "RemoveActivity"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (input,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let last = load(step, input.actor, input.id, input.expected).await?;
        if !step.tx().activities().delete(last.id, last.version).await? {
            return Err(changed_meanwhile("delete activity"));
        }
        let activity = ActivitySnapshot { version: last.version + 1, ..(&last).into() };
        let deleted_at = step.now();
        step.record(&ActivityDeleted { activity, deleted_at })?;
        let totals = TotalsChange { user: last.user_id, change: -Figures::of(&last) };
        Ok((last, totals))
    }
}
