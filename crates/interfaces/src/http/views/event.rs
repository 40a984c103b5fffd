use activelog_application::ports::JournalEntry;
use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::Page;

/// A published event and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JournalEntry)]
pub(in crate::http) struct EntryView<'a> {
    /// Its partition. Events of one aggregate are in one partition.
    #[schema(example = 3)]
    partition: u16,
    /// Its position there: from 1, without gaps.
    #[schema(example = 17)]
    position: u64,
    /// When it was published.
    published_at: Timestamp,
    /// The event as CloudEvents 1.0 JSON.
    #[schema(value_type = CloudEvent)]
    event: &'a EventEnvelope,
}

impl<'a> From<&'a JournalEntry> for EntryView<'a> {
    fn from(entry: &'a JournalEntry) -> Self {
        Self {
            partition: entry.partition.0,
            position: entry.position,
            published_at: entry.published_at,
            event: &entry.event,
        }
    }
}

/// A page of the journal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Events)]
pub(in crate::http) struct EventsView<'a> {
    #[serde(flatten)]
    pub(in crate::http) page: Page<EntryView<'a>>,
    /// Pass it as `cursor` later to go on after this page, also when there is nothing more yet.
    pub(in crate::http) resume_cursor: String,
}

/// A CloudEvents 1.0 event in structured mode.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "specversion": "1.0", "id": "01929d5e-0000-7000-8000-000000000002", "source": "/activelog", "type": "activity.created",
    "subject": "activity-01929d5e-0000-7000-8000-000000000001", "time": "2026-03-12T18:00:00Z",
    "datacontenttype": "application/json", "eventversion": 1,
    "partitionkey": "activity-01929d5e-0000-7000-8000-000000000001", "sequence": "00000000000000000001",
    "correlationid": "01929d5e-0000-7000-8000-000000000003", "data": { "activity": {} }
}))]
pub(in crate::http) struct CloudEvent {
    /// Always `1.0`.
    specversion: String,
    /// The event's id, a UUIDv7.
    id: uuid::Uuid,
    /// Who published it.
    source: String,
    /// What happened.
    #[serde(rename = "type")]
    kind: String,
    /// The aggregate it happened to.
    subject: String,
    /// When.
    time: Timestamp,
    /// The media type of the data.
    datacontenttype: String,
    /// The version of the data's shape.
    eventversion: u32,
    /// Events with the same key are delivered in order.
    partitionkey: String,
    /// The aggregate's version after it: decimal, padded so that texts sort as numbers do.
    sequence: String,
    /// The request or event that started everything.
    correlationid: uuid::Uuid,
    /// The event whose handler published this one.
    causationid: Option<uuid::Uuid>,
    /// W3C trace context.
    traceparent: Option<String>,
    /// W3C trace context.
    tracestate: Option<String>,
    /// The data, if it is JSON.
    data: Option<serde_json::Value>,
    /// The data in base64, if it is not.
    data_base64: Option<String>,
}
