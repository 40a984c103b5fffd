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
        step.record(&ActivityCreated::from(&activity))?;
        Ok((activity,))
    }
}

#[cfg(test)]
mod tests {
    use activelog_domain::{notification::Notification, statistics::Figures};

    use super::*;
    use crate::{
        activity::{
            fixture::{ANNA, BERT, Fixture, draft, output, refusal},
            ports::Queries,
        },
        orchestrator::OrchestratorError,
        ports::StorageErrorKind,
    };

    fn by(actor: Actor) -> NewActivity {
        NewActivity { actor, draft: draft(ANNA, 5, 5_000) }
    }

    #[tokio::test]
    async fn activity_event_notification_and_totals_are_stored_together() {
        let f = Fixture::new();
        let outputs = f.log.create(by(Actor::User(ANNA))).await.expect("a created activity");
        let activity: Activity = output(&outputs);
        assert_eq!(activity.version, 1);
        assert_eq!(f.store.activity(activity.id).await.expect("an answer"), Some(activity.clone()));
        assert_eq!(f.last_event::<ActivityCreated>(), ActivityCreated::from(&activity));
        assert_eq!(f.notifications(ANNA).await, [output::<Notification>(&outputs)]);
        assert_eq!(f.totals(ANNA).await, Figures::of(&activity));
    }

    #[tokio::test]
    async fn the_operator_may_create_for_a_user_and_another_user_may_not() {
        let f = Fixture::new();
        assert!(f.log.create(by(Actor::Operator)).await.is_ok());
        let before = f.contents().await;
        let refused = refusal(f.log.create(by(Actor::User(BERT))).await);
        assert_eq!(refused, ActivityError::Forbidden { user: ANNA });
        assert_eq!(f.contents().await, before);
    }

    #[tokio::test]
    async fn a_failure_in_any_use_case_leaves_nothing_behind() {
        let f = Fixture::new();
        let before = f.contents().await;
        for (operation, stage) in [
            ("insert activity", "CreateActivity"),
            ("insert notification", "SendNotification"),
            ("add to totals", "UpdateStatistics"),
            ("append to outbox", "outbox"),
            ("commit", "commit"),
        ] {
            f.store.fail_next(operation, StorageErrorKind::Other);
            match f.log.create(by(Actor::Operator)).await {
                Err(OrchestratorError::Storage { use_case, .. }) => assert_eq!(use_case, stage),
                other => panic!("{operation}: {:?}", other.map(|_| ())),
            }
            assert_eq!(f.contents().await, before, "{operation}");
        }
    }

    #[tokio::test]
    async fn contention_runs_the_whole_chain_again() {
        let f = Fixture::new();
        f.store.fail_next("add to totals", StorageErrorKind::Contention);
        f.store.fail_next("commit", StorageErrorKind::Contention);
        assert!(f.log.create(by(Actor::Operator)).await.is_ok());
        assert_eq!(f.totals(ANNA).await.activities, 1);
        assert_eq!((f.notifications(ANNA).await.len(), f.store.outbox().len()), (1, 1));
    }
}
