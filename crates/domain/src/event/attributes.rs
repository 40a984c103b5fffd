use jiff::Timestamp;
use uuid::Uuid;

use super::TraceContext;

/// Which aggregate an event belongs to, and where in the aggregate's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AggregateRef {
    /// The aggregate's id with its kind, `activity-<uuid>`. CloudEvents `subject`, and the default partition key.
    pub subject: String,
    /// The aggregate's version after the event, from 1, without gaps. CloudEvents `sequence`.
    pub sequence: u64,
}

/// What surrounds an event when it is put into an envelope: everything the event itself does not know.
#[derive(Debug, Clone)]
pub struct EventMetadata {
    /// The new event's id (UUIDv7).
    pub id: Uuid,
    /// When it happened.
    pub time: Timestamp,
    /// The request or event that started the whole chain.
    pub correlation_id: Uuid,
    /// The event whose handler recorded this one, if any.
    pub causation_id: Option<Uuid>,
    /// The W3C trace context it was recorded in, if any.
    pub trace: Option<TraceContext>,
}

/// The id here of an event from elsewhere whose own id is no UUID: those are only unique together with their source. The same each time.
pub fn foreign_id(source: &str, id: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{source}\n{id}").as_bytes())
}
