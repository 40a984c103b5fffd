use std::sync::Arc;

use activelog_domain::{
    activity::{Activity, ActivityChanges, ActivityUpdated},
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

/// What is needed to change an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateActivity {
    /// Who asks.
    pub actor: Actor,
    /// The activity.
    pub id: Uuid,
    /// The version the change was made from; `None` takes any.
    pub expected: Option<u64>,
    /// What is to be different.
    pub changes: ActivityChanges,
}

/// Stores a changed activity and records what changed.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChangeActivity;

#[async_trait]
impl UseCase<dyn Repositories> for ChangeActivity {
    type Needs = (Arc<UpdateActivity>,);
    type Provides = (Activity, TotalsChange);

    fn name(&self) -> &'static str {
        "ChangeActivity"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (input,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let before = load(step, input.actor, input.id, input.expected).await?;
        let user = before.user_id;
        let Some((after, changed)) = before.change(input.changes.clone(), step.now()) else {
            return Ok((before, TotalsChange { user, change: Figures::default() }));
        };
        if !step.tx().activities().update(&after).await? {
            return Err(changed_meanwhile("update activity"));
        }
        let changed = changed.into_iter().map(str::to_owned).collect();
        step.record(&ActivityUpdated { previous: (&before).into(), activity: (&after).into(), changed })?;
        let change = Figures::of(&after) - Figures::of(&before);
        Ok((after, TotalsChange { user, change }))
    }
}
