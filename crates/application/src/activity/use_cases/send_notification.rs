use std::sync::Arc;

use activelog_domain::{activity::Activity, notification::Notification};
use async_trait::async_trait;

use crate::{
    activity::ports::Repositories,
    orchestrator::{Step, UseCase, UseCaseError},
};

/// The kind of notification that tells of a new activity.
pub const ACTIVITY_CREATED: &str = "activity.created";

/// Tells the user of their new activity.
#[derive(Debug, Clone, Copy, Default)]
pub struct SendNotification;

#[async_trait]
impl UseCase<dyn Repositories> for SendNotification {
    type Needs = (Arc<Activity>,);
    type Provides = (Notification,);

    fn name(&self) -> &'static str {
        "SendNotification"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (activity,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let notification = Notification {
            id: step.next_id(),
            user_id: activity.user_id,
            kind: ACTIVITY_CREATED.to_owned(),
            message: format!("Activity recorded: {}", activity.title.as_str()),
            created_at: step.now(),
            read_at: None,
        };
        step.tx().notifications().insert(&notification).await?;
        Ok((notification,))
    }
}
