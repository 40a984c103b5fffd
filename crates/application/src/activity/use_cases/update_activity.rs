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

#[cfg(test)]
mod tests {
    use activelog_domain::activity::{Distance, Notes, Tags, Title};

    use super::*;
    use crate::{
        activity::{
            ActivityError,
            fixture::{ANNA, BERT, Fixture, output, refusal},
            ports::Queries,
        },
        ports::StorageErrorKind,
    };

    fn update(activity: &Activity, changes: ActivityChanges) -> UpdateActivity {
        UpdateActivity { actor: Actor::User(ANNA), id: activity.id, expected: Some(activity.version), changes }
    }

    fn title(title: &str) -> ActivityChanges {
        ActivityChanges { title: Title::new(title).ok(), ..ActivityChanges::default() }
    }

    #[tokio::test]
    async fn a_change_is_stored_told_and_counted() {
        let f = Fixture::new();
        let before = f.created(5, 5_000).await;
        f.minutes_pass(1);
        let changes = ActivityChanges {
            distance: Some(Distance::from_metres(7_000).ok()),
            notes: Some(Notes::new("felt good").ok()),
            tags: Tags::new(&["race"]).ok(),
            ..title("Long run")
        };
        let outputs = f.log.update(update(&before, changes)).await.expect("an updated activity");
        let after: Activity = output(&outputs);
        assert_eq!((after.version, after.title.as_str()), (2, "Long run"));
        assert!(after.updated_at > after.created_at);
        assert_eq!(f.store.activity(before.id).await.expect("an answer"), Some(after.clone()));
        let told = f.last_event::<ActivityUpdated>();
        assert_eq!((told.previous, told.activity), ((&before).into(), (&after).into()));
        assert_eq!(told.changed, ["title", "distance_km", "notes", "tags"]);
        assert_eq!(f.totals(ANNA).await, Figures::of(&after));
    }

    #[tokio::test]
    async fn a_change_of_nothing_keeps_the_version_and_tells_nobody() {
        let f = Fixture::new();
        let activity = f.created(5, 5_000).await;
        let before = f.contents().await;
        f.minutes_pass(1);
        for changes in [ActivityChanges::default(), title(activity.title.as_str())] {
            let outputs = f.log.update(update(&activity, changes)).await.expect("an unchanged activity");
            assert_eq!(output::<Activity>(&outputs), activity);
        }
        assert_eq!(f.contents().await, before);
    }

    #[tokio::test]
    async fn a_change_that_counts_for_nothing_leaves_the_totals_alone() {
        let f = Fixture::new();
        let activity = f.created(5, 5_000).await;
        f.store.fail_next("add to totals", StorageErrorKind::Other);
        assert!(f.log.update(update(&activity, title("Another"))).await.is_ok());
    }

    #[tokio::test]
    async fn refusals_change_nothing() {
        let f = Fixture::new();
        let activity = f.created(5, 5_000).await;
        f.log.update(update(&activity, title("Second"))).await.expect("an updated activity");
        let before = f.contents().await;
        let stale = ActivityError::VersionMismatch { id: activity.id, expected: 1, current: 2 };
        assert_eq!(refusal(f.log.update(update(&activity, title("Third"))).await), stale);
        // A stale caller hears so also when there would be nothing to change.
        assert_eq!(refusal(f.log.update(update(&activity, title("Second"))).await), stale);
        let others = UpdateActivity { actor: Actor::User(BERT), expected: None, ..update(&activity, title("Third")) };
        assert_eq!(refusal(f.log.update(others).await), ActivityError::Forbidden { user: ANNA });
        let missing = UpdateActivity { id: Uuid::nil(), ..update(&activity, title("Third")) };
        assert_eq!(refusal(f.log.update(missing).await), ActivityError::NotFound { id: Uuid::nil() });
        assert_eq!(f.contents().await, before);
    }

    #[tokio::test]
    async fn without_an_expected_version_any_is_taken() {
        let f = Fixture::new();
        let activity = f.created(5, 5_000).await;
        for (text, version) in [("Second", 2), ("Third", 3)] {
            let input = UpdateActivity { expected: None, ..update(&activity, title(text)) };
            let outputs = f.log.update(input).await.expect("an updated activity");
            assert_eq!(output::<Activity>(&outputs).version, version);
        }
    }

    #[tokio::test]
    async fn concurrent_changes_of_one_version_let_one_through() {
        let f = Fixture::new();
        let activity = f.created(5, 5_000).await;
        let run = |text| f.log.update(update(&activity, title(text)));
        let (one, other) = tokio::join!(run("One").into_future(), run("Other").into_future());
        assert_eq!(one.is_ok() as u8 + other.is_ok() as u8, 1);
        assert_eq!(f.store.outbox().len(), 2);
    }
}
