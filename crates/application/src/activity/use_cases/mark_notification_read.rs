use std::sync::Arc;

use activelog_domain::{
    notification::Notification,
    user::{Actor, UserId},
};
use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    activity::{ActivityError, ports::Repositories},
    orchestrator::{Step, UseCase, UseCaseError},
};

/// What is needed to mark a notification as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkNotificationRead {
    /// Who asks.
    pub actor: Actor,
    /// Whose notification.
    pub user: UserId,
    /// Which.
    pub notification: Uuid,
}

/// Notes that a notification has been read. The first time counts.
#[derive(Debug, Clone, Copy, Default)]
pub struct MarkRead;

#[async_trait]
impl UseCase<dyn Repositories> for MarkRead {
    type Needs = (Arc<MarkNotificationRead>,);
    type Provides = (Notification,);

    fn name(&self) -> &'static str {
        "MarkRead"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (input,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let (user, id) = (input.user, input.notification);
        if !input.actor.may_act_for(user) {
            return Err(UseCaseError::rejected(ActivityError::Forbidden { user }));
        }
        let found = step.tx().notifications().find_for_update(id).await?;
        let Some(mut notification) = found.filter(|n| n.user_id == user) else {
            return Err(UseCaseError::rejected(ActivityError::NotificationNotFound { id }));
        };
        if notification.read_at.is_none() {
            let now = step.now();
            step.tx().notifications().mark_read(id, now).await?;
            notification.read_at = Some(now);
        }
        Ok((notification,))
    }
}
