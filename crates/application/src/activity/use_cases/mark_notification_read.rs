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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::fixture::{ANNA, BERT, Fixture, output, refusal};

    async fn notified() -> (Fixture, MarkNotificationRead) {
        let f = Fixture::new();
        f.created(5, 5_000).await;
        let notification = f.notifications(ANNA).await.remove(0).id;
        (f, MarkNotificationRead { actor: Actor::User(ANNA), user: ANNA, notification })
    }

    #[tokio::test]
    async fn the_first_reading_counts() {
        let (f, input) = notified().await;
        f.minutes_pass(1);
        let first: Notification = output(&f.log.mark_notification_read(input).await.expect("a notification"));
        assert!(first.read_at.is_some_and(|at| at > first.created_at));
        f.minutes_pass(1);
        let second: Notification = output(&f.log.mark_notification_read(input).await.expect("a notification"));
        assert_eq!(second, first);
        assert_eq!(f.notifications(ANNA).await, [first]);
    }

    #[tokio::test]
    async fn refusals_change_nothing() {
        let (f, input) = notified().await;
        let before = f.contents().await;
        let foreign = MarkNotificationRead { actor: Actor::User(BERT), ..input };
        assert_eq!(refusal(f.log.mark_notification_read(foreign).await), ActivityError::Forbidden { user: ANNA });
        let hidden = ActivityError::NotificationNotFound { id: input.notification };
        let not_theirs = MarkNotificationRead { actor: Actor::User(BERT), user: BERT, ..input };
        assert_eq!(refusal(f.log.mark_notification_read(not_theirs).await), hidden);
        let id = Uuid::nil();
        let missing = MarkNotificationRead { notification: id, ..input };
        assert_eq!(refusal(f.log.mark_notification_read(missing).await), ActivityError::NotificationNotFound { id });
        assert_eq!(f.contents().await, before);
    }
}
