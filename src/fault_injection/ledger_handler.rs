use std::{path::PathBuf, time::Duration};

use activelog_application::{
    activity::{
        handlers::ActivityChange,
        ports::{Effect, Repositories},
    },
    delivery::{EventHandler, FailurePolicy, HandlerError, Received},
    orchestrator::Step,
    ports::AfterDeadLetter,
};
use async_trait::async_trait;

use super::misbehaviour::Misbehaviour;

/// Writes one line into the ledger of effects for every event, in its transaction, and only then misbehaves: so that what was written has to be undone.
pub(super) struct LedgerHandler {
    /// Where attempts are counted.
    pub(super) folder: PathBuf,
    /// Whether a dead letter holds its aggregate.
    pub(super) hold: bool,
}

#[async_trait]
impl<E: ActivityChange> EventHandler<E, dyn Repositories> for LedgerHandler {
    fn name(&self) -> &'static str {
        "fault-ledger"
    }

    /// As impatient as tests are.
    fn failure_policy(&self) -> Option<FailurePolicy> {
        Some(FailurePolicy {
            quick_attempts: 2,
            quick_pause: Duration::from_millis(5),
            attempts: 5,
            first_backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_millis(500),
            after_dead_letter: if self.hold { AfterDeadLetter::Hold } else { AfterDeadLetter::Continue },
            time_limit: Duration::from_secs(1),
            ..FailurePolicy::default()
        })
    }

    async fn handle(
        &self,
        received: &Received<'_, E>,
        step: &mut Step<'_, dyn Repositories>,
    ) -> Result<(), HandlerError> {
        let envelope = received.envelope;
        let effect = Effect { event_id: envelope.id, subject: &envelope.subject, sequence: envelope.sequence };
        step.tx().effect_ledger().append(effect).await?;
        let change = received.event.change();
        let title = change.current.or(change.previous).map_or("", |snapshot| snapshot.title.as_str());
        match Misbehaviour::asked_for_by(title) {
            Some(misbehaviour) => misbehaviour.act(envelope.id, &self.folder).await,
            None => Ok(()),
        }
    }
}
