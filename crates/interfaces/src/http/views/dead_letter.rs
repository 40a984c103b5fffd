use activelog_application::ports::{DeadLetter, Death};
use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{DeadLetterStateKind, DeathReasonKind, event::CloudEvent};
use crate::http::problem::beginning;

/// How much of an error a list shows, in bytes. The dead letter itself has all of it.
const LISTED_ERROR: usize = 500;

/// An event that a handler was given up on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(in crate::http) struct DeadLetterView<'a> {
    /// Its number: from 1, in the order of first deaths.
    #[schema(example = 17)]
    id: i64,
    /// Whether something was done about it.
    state: DeadLetterStateKind,
    /// Whether later events of its aggregate wait until something is done about it.
    holds: bool,
    /// The handler that has not taken it.
    #[schema(example = "period-statistics")]
    handler: &'a str,
    /// The consumer group the handler runs in.
    #[schema(example = "activelog")]
    group: &'a str,
    /// The event's id.
    event_id: Uuid,
    /// What happened.
    #[schema(example = "activity.created")]
    event_type: &'a str,
    /// The aggregate it happened to.
    #[schema(example = "activity-01929d5e-0000-7000-8000-000000000001")]
    subject: &'a str,
    /// Why it died last.
    reason: DeathReasonKind,
    /// The last error with its causes; a list has the beginning of it.
    #[schema(example = "the store of figures is closed: connection refused")]
    error: String,
    /// How many attempts have failed.
    #[schema(example = 12)]
    attempts: u32,
    /// When the first of them did.
    first_failed_at: Timestamp,
    /// When the last of them did.
    last_failed_at: Timestamp,
    /// When it died last.
    died_at: Timestamp,
    /// When its state last changed.
    changed_at: Timestamp,
    /// How often it has died; more than 20 earlier deaths are not kept.
    #[schema(example = 1)]
    deaths: usize,
}

impl<'a> DeadLetterView<'a> {
    /// As a list shows it.
    pub(in crate::http) fn listed(letter: &'a DeadLetter) -> Self {
        Self { error: beginning(&letter.death.failures.error, LISTED_ERROR), ..Self::from(letter) }
    }
}

impl<'a> From<&'a DeadLetter> for DeadLetterView<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let (addressed, death) = (&letter.addressed, &letter.death);
        Self {
            id: letter.id,
            state: letter.state.into(),
            holds: letter.holds,
            handler: &addressed.handler,
            group: &addressed.group,
            event_id: addressed.event.id,
            event_type: &addressed.event.name,
            subject: &addressed.event.subject,
            reason: death.reason.into(),
            error: death.failures.error.clone(),
            attempts: death.failures.attempts,
            first_failed_at: death.failures.first_at,
            last_failed_at: death.failures.last_at,
            died_at: letter.died_at,
            changed_at: letter.changed_at,
            deaths: letter.earlier.len() + 1,
        }
    }
}

/// A dead letter with its event and its history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WholeDeadLetter)]
pub(in crate::http) struct WholeDeadLetterView<'a> {
    #[serde(flatten)]
    letter: DeadLetterView<'a>,
    /// The event as CloudEvents 1.0 JSON.
    #[schema(value_type = CloudEvent)]
    event: &'a EventEnvelope,
    /// The deaths before the last, oldest first: it was replayed after each.
    earlier_deaths: Vec<DeathView<'a>>,
}

impl<'a> From<&'a DeadLetter> for WholeDeadLetterView<'a> {
    fn from(letter: &'a DeadLetter) -> Self {
        let earlier_deaths = letter.earlier.iter().map(DeathView::from).collect();
        Self { letter: letter.into(), event: &letter.addressed.event, earlier_deaths }
    }
}

/// One of the deaths of an event that was replayed and died again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Death)]
pub(in crate::http) struct DeathView<'a> {
    /// Why.
    reason: DeathReasonKind,
    /// The last error with its causes.
    error: &'a str,
    /// How many attempts had failed.
    attempts: u32,
    /// When the first of them did.
    first_failed_at: Timestamp,
    /// When the last of them did.
    last_failed_at: Timestamp,
}

impl<'a> From<&'a Death> for DeathView<'a> {
    fn from(Death { reason, failures }: &'a Death) -> Self {
        Self {
            reason: (*reason).into(),
            error: &failures.error,
            attempts: failures.attempts,
            first_failed_at: failures.first_at,
            last_failed_at: failures.last_at,
        }
    }
}
