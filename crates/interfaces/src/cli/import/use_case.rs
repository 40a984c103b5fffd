use std::time::Duration;

use activelog_application::{
    activity::{ActivityError, ActivityLog, use_cases::ImportActivity},
    orchestrator::OrchestratorError,
};
use activelog_domain::user::Actor;
use async_trait::async_trait;

use super::{ImportFailure, ImportRow, Importer};
use crate::cli::Source;

/// Imports rows through the use case: each is an activity like one that was created over HTTP.
pub struct UseCaseImporter {
    log: ActivityLog,
    source: Source,
}

impl UseCaseImporter {
    /// Imports what `source` wrote, on behalf of the operator: whoever can run commands on the database is one.
    pub fn new(log: ActivityLog, source: Source) -> Self {
        Self { log, source }
    }
}

#[async_trait]
impl Importer for UseCaseImporter {
    async fn import(&self, row: &ImportRow) -> Result<(), ImportFailure> {
        let request = ImportActivity {
            actor: Actor::Operator,
            source: self.source.name().to_owned(),
            external_id: row.external_id.clone(),
            draft: row.draft.clone(),
        };
        self.log.import(request).await.map(drop).map_err(|error| failure(&error))
    }
}

/// What an error of the use case means for the row, and for those after it.
fn failure(error: &OrchestratorError) -> ImportFailure {
    let transient = |outcome_unknown| ImportFailure::Transient {
        reason: error.to_string(),
        retry_after: error.retry_after().unwrap_or(Duration::ZERO),
        outcome_unknown,
    };
    match error {
        OrchestratorError::Rejected { .. }
            if matches!(error.rejection(), Some(ActivityError::AlreadyImported { .. })) =>
        {
            ImportFailure::AlreadyImported
        }
        OrchestratorError::Rejected { reason, .. } => ImportFailure::Refused(reason.to_string()),
        OrchestratorError::Storage { source, .. } if source.is_transient() => transient(false),
        OrchestratorError::TimedOut { .. } => transient(false),
        // Trying again tells: the id of the row is stored with its activity.
        OrchestratorError::Unknown { .. } => transient(true),
        _ => ImportFailure::Fatal(error.to_string()),
    }
}
