use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use super::{DomainEvent, EventMetadata, TraceContext, upcaster};

/// The media type of JSON data.
pub const JSON: &str = "application/json";

/// The `source` of every event this application publishes, until a deployment sets its own.
const DEFAULT_SOURCE: &str = "/activelog";

/// An event as it travels: the CloudEvents 1.0 attributes and the encoded data.
///
/// Cloning is cheap in what matters: the data is shared, never copied.
#[derive(Debug, Clone, PartialEq)]
pub struct EventEnvelope {
    /// CloudEvents `id`, a UUIDv7. The idempotency key of the event everywhere.
    pub id: Uuid,
    /// CloudEvents `source`: a URI reference that says who published it.
    pub source: String,
    /// CloudEvents `type`: the event's [`DomainEvent::NAME`].
    pub name: String,
    /// CloudEvents `subject`: the aggregate, `activity-<uuid>`.
    pub subject: String,
    /// CloudEvents `time`: when it happened.
    pub time: Timestamp,
    /// CloudEvents `datacontenttype`.
    pub content_type: String,
    /// Extension `eventversion`: the event's [`DomainEvent::VERSION`].
    pub version: u32,
    /// Extension `partitionkey`: events with the same key are delivered in order. The subject, unless set otherwise.
    pub partition_key: String,
    /// Extension `sequence`: the aggregate's version after the event.
    pub sequence: u64,
    /// Extension `correlationid`: the request or event that started the whole chain.
    pub correlation_id: Uuid,
    /// Extension `causationid`: the event whose handler recorded this one.
    pub causation_id: Option<Uuid>,
    /// Extensions `traceparent` and `tracestate`.
    pub trace: Option<TraceContext>,
    /// The encoded event, at most the broker's maximum.
    pub data: Bytes,
}

/// An event could not be put into an envelope.
#[derive(Debug, thiserror::Error)]
#[error("event {name} cannot be encoded as JSON: {source}")]
pub struct EncodeError {
    /// The event's name.
    pub name: &'static str,
    /// What serde said.
    pub source: serde_json::Error,
}

impl EventEnvelope {
    /// Puts an event into an envelope. The partition key is the aggregate's.
    pub fn seal<E: DomainEvent>(event: &E, metadata: EventMetadata) -> Result<Self, EncodeError> {
        const { upcaster::check::<E>() };
        let data = serde_json::to_vec(event).map_err(|source| EncodeError { name: E::NAME, source })?;
        let aggregate = event.aggregate();
        Ok(Self {
            id: metadata.id,
            source: DEFAULT_SOURCE.to_owned(),
            name: E::NAME.to_owned(),
            partition_key: aggregate.subject.clone(),
            subject: aggregate.subject,
            time: metadata.time,
            content_type: JSON.to_owned(),
            version: E::VERSION,
            sequence: aggregate.sequence,
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            trace: metadata.trace,
            data: data.into(),
        })
    }

    /// What the envelope takes in memory, in bytes, near enough to bound a buffer by.
    pub fn size(&self) -> usize {
        const FIXED: usize = size_of::<EventEnvelope>();
        FIXED
            + self.data.len()
            + self.name.len()
            + self.subject.len()
            + self.partition_key.len()
            + self.source.len()
            + self.content_type.len()
    }
}
