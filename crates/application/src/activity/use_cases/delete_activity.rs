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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::{
        ActivityError,
        fixture::{ANNA, BERT, Fixture, output, refusal},
        ports::Queries,
    };

    fn delete(activity: &Activity) -> DeleteActivity {
        DeleteActivity { actor: Actor::User(ANNA), id: activity.id, expected: Some(activity.version) }
    }

    #[tokio::test]
    async fn what_is_deleted_is_gone_told_and_no_longer_counted() {
        let f = Fixture::new();
        let kept = f.created(4, 4_000).await;
        let activity = f.created(5, 5_000).await;
        f.minutes_pass(1);
        let outputs = f.log.delete(delete(&activity)).await.expect("a deleted activity");
        assert_eq!(output::<Activity>(&outputs), activity);
        assert_eq!(f.store.activity(activity.id).await.expect("an answer"), None);
        let told = f.last_event::<ActivityDeleted>();
        assert_eq!(told.activity, ActivitySnapshot { version: 2, ..(&activity).into() });
        assert!(told.deleted_at > activity.created_at);
        assert_eq!(f.store.outbox().last().map(|e| e.sequence), Some(2));
        assert_eq!(f.totals(ANNA).await, Figures::of(&kept));
    }

    #[tokio::test]
    async fn refusals_change_nothing() {
        let f = Fixture::new();
        let activity = f.created(5, 5_000).await;
        let before = f.contents().await;
        let stale = DeleteActivity { expected: Some(7), ..delete(&activity) };
        let mismatch = ActivityError::VersionMismatch { id: activity.id, expected: 7, current: 1 };
        assert_eq!(refusal(f.log.delete(stale).await), mismatch);
        let others = DeleteActivity { actor: Actor::User(BERT), ..delete(&activity) };
        assert_eq!(refusal(f.log.delete(others).await), ActivityError::Forbidden { user: ANNA });
        assert_eq!(f.contents().await, before);
    }

    #[tokio::test]
    async fn a_second_deletion_finds_nothing() {
        let f = Fixture::new();
        let activity = f.created(5, 5_000).await;
        f.log.delete(delete(&activity)).await.expect("a deleted activity");
        let before = f.contents().await;
        let gone = ActivityError::NotFound { id: activity.id };
        assert_eq!(refusal(f.log.delete(delete(&activity)).await), gone);
        assert_eq!(f.contents().await, before);
    }
}
