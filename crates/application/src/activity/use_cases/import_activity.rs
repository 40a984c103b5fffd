use std::sync::Arc;

use activelog_domain::{
    activity::{Activity, ActivityDraft},
    user::Actor,
};
use async_trait::async_trait;

use super::NewActivity;
use crate::{
    activity::{ActivityError, ports::Repositories},
    orchestrator::{Step, UseCase, UseCaseError},
};

/// What is needed to import an activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportActivity {
    /// Who asks.
    pub actor: Actor,
    /// Where the row comes from, as a stable word: `strava`.
    pub source: String,
    /// What the row is called there.
    pub external_id: String,
    /// The activity.
    pub draft: ActivityDraft,
}

/// Takes an imported row for what it is from here on: a new activity like any other.
#[derive(Debug, Clone, Copy, Default)]
pub struct AcceptImport;

/// Records which row the new activity was imported from, and refuses a row that was imported before.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordImport;

#[async_trait]
impl UseCase<dyn Repositories> for AcceptImport {
    type Needs = (Arc<ImportActivity>,);
    type Provides = (NewActivity,);

    fn name(&self) -> &'static str {
        "AcceptImport"
    }

    async fn execute(
        &self,
        _: &mut Step<'_, dyn Repositories>,
        (import,): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        Ok((NewActivity { actor: import.actor, draft: import.draft.clone() },))
    }
}

#[async_trait]
impl UseCase<dyn Repositories> for RecordImport {
    type Needs = (Arc<ImportActivity>, Arc<Activity>);
    type Provides = ();

    fn name(&self) -> &'static str {
        "RecordImport"
    }

    async fn execute(
        &self,
        step: &mut Step<'_, dyn Repositories>,
        (import, activity): Self::Needs,
    ) -> Result<Self::Provides, UseCaseError> {
        let (source, external_id) = (&import.source, &import.external_id);
        if step.tx().activities().record_import(activity.user_id, source, external_id, activity.id).await? {
            return Ok(());
        }
        Err(UseCaseError::rejected(ActivityError::AlreadyImported {
            import_source: source.clone(),
            external_id: external_id.clone(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activity::fixture::{ANNA, BERT, Fixture, draft, output, refusal};

    fn row(user: activelog_domain::user::UserId, external_id: &str) -> ImportActivity {
        ImportActivity {
            actor: Actor::User(user),
            source: "strava".to_owned(),
            external_id: external_id.to_owned(),
            draft: draft(user, 5, 5_000),
        }
    }

    #[tokio::test]
    async fn an_import_is_a_creation() {
        let f = Fixture::new();
        let outputs = f.log.import(row(ANNA, "1")).await.expect("an imported activity");
        let imported: Activity = output(&outputs);
        let told: activelog_domain::activity::ActivityCreated = f.last_event();
        assert_eq!(told.activity, (&imported).into());
        assert_eq!((f.totals(ANNA).await.activities, f.notifications(ANNA).await.len()), (1, 1));
    }

    #[tokio::test]
    async fn a_row_is_imported_once_per_user() {
        let f = Fixture::new();
        f.log.import(row(ANNA, "1")).await.expect("an imported activity");
        let before = f.contents().await;
        let again = ActivityError::AlreadyImported { import_source: "strava".to_owned(), external_id: "1".to_owned() };
        assert_eq!(refusal(f.log.import(row(ANNA, "1")).await), again);
        assert_eq!(f.contents().await, before);
        assert!(f.log.import(row(ANNA, "2")).await.is_ok());
        assert!(f.log.import(row(BERT, "1")).await.is_ok());
        let elsewhere = ImportActivity { source: "garmin".to_owned(), ..row(ANNA, "1") };
        assert!(f.log.import(elsewhere).await.is_ok());
    }

    #[tokio::test]
    async fn a_refused_import_can_be_imported_later() {
        let f = Fixture::new();
        let before = f.contents().await;
        let foreign = ImportActivity { actor: Actor::User(BERT), ..row(ANNA, "1") };
        assert_eq!(refusal(f.log.import(foreign).await), ActivityError::Forbidden { user: ANNA });
        assert_eq!(f.contents().await, before);
        assert!(f.log.import(row(ANNA, "1")).await.is_ok());
    }
}
