use std::sync::Arc;

use activelog_domain::{
    activity::{Activity, ActivityCreated, ActivityDraft},
    user::Actor,
};
use async_trait::async_trait;

use crate::{
    activity::{ActivityError, ports::Repositories},
    orchestrator::{Step, UseCase, UseCaseError},
};

/// What is needed to create an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewActivity {
    /// Who asks.
    pub actor: Actor,
    /// The activity.
    pub draft: ActivityDraft,
}

/// Stores a new activity and records that it was created.
#[derive(Debug, Clone, Copy, Default)]
pub struct CreateActivity;

#[async_trait]
impl UseCase<dyn Repositories> for CreateActivity {
    type Needs = (Arc<NewActivity>,);
    type Provides = (Activity,);

    fn name(&self) -> &'static str {
        "CreateActivity"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (new,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let user = new.draft.user_id;
        if !new.actor.may_act_for(user) {
            return Err(UseCaseError::rejected(ActivityError::Forbidden { user }));
        }
        let activity = Activity::create(step.next_id(), new.draft.clone(), step.now());
        step.tx().activities().insert(&activity).await?;
        step.record(&ActivityCreated { activity: (&activity).into() })?;
        Ok((activity,))
    }
}
