use std::sync::Arc;

use activelog_application::ports::{Clock, EventPattern, IdGenerator};
use activelog_domain::event::{EventEnvelope, JSON, TraceContext, foreign_id};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// A line is no event.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is no JSON, or something in it is missing or of another kind.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Something in it is not what it must be.
    #[error("{0}")]
    Attribute(String),
    /// The broker takes no event as large as this.
    #[error("{size} bytes of data, at most {most} are accepted")]
    TooLarge {
        /// How large it is.
        size: usize,
        /// How large it may be.
        most: usize,
    },
}

/// Reads events from lines.
#[derive(Clone)]
pub struct LineParser {
    ids: Arc<dyn IdGenerator>,
    clock: Arc<dyn Clock>,
    max_payload: usize,
}

/// What stands around an event that was printed here.
#[derive(Deserialize)]
struct Printed<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
}

/// A CloudEvent in structured mode, from whomever.
#[derive(Deserialize)]
struct Incoming<'a> {
    specversion: String,
    id: Option<String>,
    source: String,
    #[serde(rename = "type")]
    name: String,
    subject: Option<String>,
    time: Option<Timestamp>,
    datacontenttype: Option<String>,
    eventversion: Option<u32>,
    partitionkey: Option<String>,
    sequence: Option<String>,
    correlationid: Option<Uuid>,
    causationid: Option<Uuid>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    #[serde(default, borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
}

fn wrong(reason: impl Into<String>) -> LineError {
    LineError::Attribute(reason.into())
}

impl LineParser {
    /// A parser that makes missing ids and times, and refuses data of more than `max_payload` bytes.
    pub fn new(ids: Arc<dyn IdGenerator>, clock: Arc<dyn Clock>, max_payload: usize) -> Self {
        Self { ids, clock, max_payload }
    }

    /// Reads a line: a CloudEvent, or a line of `events tail --output json`, which holds one in `event`.
    ///
    /// # Errors
    /// When it is no event, or too large.
    pub fn parse(&self, line: &[u8]) -> Result<EventEnvelope, LineError> {
        let printed: Printed<'_> = serde_json::from_slice(line)?;
        let printed = printed.event.filter(|event| event.get().starts_with('{'));
        let incoming: Incoming<'_> = match printed {
            Some(event) => serde_json::from_str(event.get())?,
            None => serde_json::from_slice(line)?,
        };
        let event = self.open(incoming)?;
        let (size, most) = (event.data.len(), self.max_payload);
        if size > most { Err(LineError::TooLarge { size, most }) } else { Ok(event) }
    }

    fn open(&self, incoming: Incoming<'_>) -> Result<EventEnvelope, LineError> {
        if incoming.specversion != "1.0" {
            return Err(wrong(format!("specversion is {:?}; only \"1.0\" is known", incoming.specversion)));
        }
        if incoming.source.is_empty() {
            return Err(wrong("source is empty"));
        }
        if !incoming.name.parse::<EventPattern>().is_ok_and(|name| !name.is_wildcard()) {
            return Err(wrong("type must be words of a-z, 0-9, _ and - joined by dots"));
        }
        let id = match incoming.id.as_deref() {
            None => self.ids.next_id(),
            Some("") => return Err(wrong("id is empty")),
            Some(id) => id.parse().unwrap_or_else(|_| foreign_id(&incoming.source, id)),
        };
        let content_type = incoming.datacontenttype.unwrap_or_else(|| JSON.to_owned());
        let data = data(&content_type, incoming.data, incoming.data_base64)?;
        let sequence = incoming.sequence.map(|text| text.parse()).transpose();
        let subject = incoming.subject.unwrap_or_default();
        let own_key = || if subject.is_empty() { id.to_string() } else { subject.clone() };
        Ok(EventEnvelope {
            id,
            source: incoming.source,
            name: incoming.name,
            time: incoming.time.unwrap_or_else(|| self.clock.now()),
            content_type,
            version: incoming.eventversion.unwrap_or(1),
            partition_key: incoming.partitionkey.unwrap_or_else(own_key),
            sequence: sequence.map_err(|_| wrong("sequence must be a decimal number"))?.unwrap_or(0),
            correlation_id: incoming.correlationid.unwrap_or(id),
            causation_id: incoming.causationid,
            trace: incoming.traceparent.and_then(|p| TraceContext::parse(&p, incoming.tracestate.as_deref())),
            subject,
            data,
        })
    }
}

fn data(content_type: &str, data: Option<&RawValue>, base64: Option<String>) -> Result<Bytes, LineError> {
    let json = content_type == JSON || content_type.ends_with("+json") || content_type.starts_with("application/json;");
    match (data, base64) {
        (Some(_), Some(_)) => Err(wrong("both data and data_base64 are there")),
        (None, None) => Ok(Bytes::new()),
        (None, Some(text)) => {
            BASE64_STANDARD.decode(text).map(Bytes::from).map_err(|_| wrong("data_base64 is not base64"))
        }
        (Some(data), None) if json => Ok(Bytes::copy_from_slice(data.get().as_bytes())),
        // Text stands in `data` as a string.
        (Some(data), None) => serde_json::from_str::<String>(data.get())
            .map(Bytes::from)
            .map_err(|_| wrong(format!("data of {content_type} must be a string, or stand in data_base64"))),
    }
}

#[cfg(test)]
impl LineParser {
    /// With ids that count, a clock that stands, and 1 KiB.
    pub(crate) fn for_tests() -> Self {
        use activelog_application::testing::{FakeClock, SequentialIds};
        Self::new(Arc::new(SequentialIds::default()), Arc::new(FakeClock::default()), 1_024)
    }
}
