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
