use activelog_application::ports::ParkedEvent;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::problem::beginning;

/// How much of an error is shown, in bytes.
const SHOWN_ERROR: usize = 500;

/// An event that waits for another attempt, or behind one that does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ParkedEvent)]
pub(in crate::http) struct ParkedView<'a> {
    /// Its place: events of one handler and aggregate are taken in the order of their places.
    #[schema(example = 42)]
    place: i64,
    /// The handler that is to take it.
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
    /// When it was parked.
    parked_at: Timestamp,
    /// How many attempts have failed; 0 for one that only waits behind another.
    #[schema(example = 3)]
    attempts: u32,
    /// When the first of them did.
    #[schema(required = true)]
    first_failed_at: Option<Timestamp>,
    /// When the last of them did.
    #[schema(required = true)]
    last_failed_at: Option<Timestamp>,
    /// The beginning of the last error.
    #[schema(required = true, example = "the store of figures is closed: connection refused")]
    error: Option<String>,
}

impl<'a> From<&'a ParkedEvent> for ParkedView<'a> {
    fn from(parked: &'a ParkedEvent) -> Self {
        let (event, failures) = (&parked.addressed.event, parked.failures.as_ref());
        Self {
            place: parked.place,
            handler: &parked.addressed.handler,
            group: &parked.addressed.group,
            event_id: event.id,
            event_type: &event.name,
            subject: &event.subject,
            parked_at: parked.parked_at,
            attempts: failures.map_or(0, |failures| failures.attempts),
            first_failed_at: failures.map(|failures| failures.first_at),
            last_failed_at: failures.map(|failures| failures.last_at),
            error: failures.map(|failures| beginning(&failures.error, SHOWN_ERROR)),
        }
    }
}
