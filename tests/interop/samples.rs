//! Events, and what is to be seen of them at the other end.

use activelog_application::testing::broker::event;
use activelog_domain::event::{EventEnvelope, TraceContext};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::Kind;

/// When the events of the other side happened.
pub(crate) const TIME: Timestamp = Timestamp::constant(1_773_300_600, 123_000_000);

/// The source of the events that are published without a time.
pub(crate) const WITHOUT_TIME: &str = "/bare";

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACESTATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
const CORRELATION: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0011);
const CAUSATION: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0012);

/// An event that the other side publishes.
pub(crate) struct Theirs {
    /// As it is told to it.
    pub(crate) written: Value,
    /// As it has to be delivered.
    pub(crate) read: EventEnvelope,
}

/// Events of every kind that somebody else may publish.
pub(crate) fn theirs(kind: Kind) -> Vec<Theirs> {
    let mut all = vec![full(), bare(kind), empty(), binary(), free_text()];
    all.extend((0..30).map(|n| one_of_many(&format!("Größe {}", n % 3), n / 3 + 1)));
    all
}

fn theirs_of(attributes: Value, data: &[u8], read: EventEnvelope) -> Theirs {
    Theirs {
        written: json!({ "attributes": attributes, "data": data }),
        read: EventEnvelope { data: Bytes::copy_from_slice(data), ..read },
    }
}

/// What is read of an event that has an id, a source, a type and a subject.
fn plain(id: Uuid, source: &str, subject: &str) -> EventEnvelope {
    EventEnvelope {
        id,
        source: source.to_owned(),
        name: "order.placed".to_owned(),
        subject: subject.to_owned(),
        time: TIME,
        content_type: "application/json".to_owned(),
        version: 1,
        partition_key: subject.to_owned(),
        sequence: 0,
        correlation_id: id,
        causation_id: None,
        trace: None,
        data: Bytes::new(),
    }
}

fn full() -> Theirs {
    let id = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_0001);
    let attributes = json!({
        "specversion": "1.0", "id": id, "source": "/käserei/7", "type": "order.placed", "subject": "Bestellung \"7\" – 100% 😀",
        "time": TIME.to_string(), "datacontenttype": "application/json; charset=utf-8", "eventversion": "2",
        "partitionkey": "Kunde Ärger", "sequence": "00000000000000000005", "correlationid": CORRELATION, "causationid": CAUSATION,
        "traceparent": TRACEPARENT, "tracestate": TRACESTATE,
    });
    let read = EventEnvelope {
        content_type: "application/json; charset=utf-8".to_owned(),
        version: 2,
        partition_key: "Kunde Ärger".to_owned(),
        sequence: 5,
        correlation_id: CORRELATION,
        causation_id: Some(CAUSATION),
        trace: TraceContext::parse(TRACEPARENT, Some(TRACESTATE)),
        ..plain(id, "/käserei/7", "Bestellung \"7\" – 100% 😀")
    };
    assert!(read.trace.is_some());
    theirs_of(attributes, "{\"käse\": \"Gruyère\"}".as_bytes(), read)
}

/// Only what has to be there; the SDK adds a time.
fn bare(kind: Kind) -> Theirs {
    let attributes = json!({ "specversion": "1.0", "id": "order 7", "source": WITHOUT_TIME, "type": "order.placed" });
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{WITHOUT_TIME}\norder 7").as_bytes());
    let mut read = plain(id, WITHOUT_TIME, "");
    // A message of Kafka has a key, which is the event's.
    read.partition_key = if kind == Kind::Kafka { "order 7".to_owned() } else { id.to_string() };
    theirs_of(attributes, b"{}", read)
}

fn empty() -> Theirs {
    let id = Uuid::from_u128(2);
    let attributes = json!({ "specversion": "1.0", "id": id, "source": "/empty", "type": "order.placed", "subject": "empty", "time": TIME.to_string() });
    theirs_of(attributes, b"", plain(id, "/empty", "empty"))
}

fn binary() -> Theirs {
    let (id, media_type) = (Uuid::from_u128(3), "application/octet-stream");
    let attributes = json!({
        "specversion": "1.0", "id": id, "source": "/binary", "type": "order.placed", "subject": "binary", "time": TIME.to_string(),
        "datacontenttype": media_type,
    });
    let data: Vec<u8> = (0..=255).collect();
    theirs_of(
        attributes,
        &data,
        EventEnvelope { content_type: media_type.to_owned(), ..plain(id, "/binary", "binary") },
    )
}

/// Extensions that hold any text, as they may.
fn free_text() -> Theirs {
    let id = Uuid::from_u128(4);
    let attributes = json!({
        "specversion": "1.0", "id": id, "source": "/text", "type": "order.placed", "subject": "text", "time": TIME.to_string(),
        "sequence": "b-2", "correlationid": "Vorgang Ä", "unknown": "extension",
    });
    let correlation_id = Uuid::new_v5(&Uuid::NAMESPACE_URL, "Vorgang Ä".as_bytes());
    theirs_of(attributes, b"{}", EventEnvelope { correlation_id, ..plain(id, "/text", "text") })
}

fn one_of_many(key: &str, sequence: u64) -> Theirs {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{key}{sequence}").as_bytes());
    let attributes = json!({
        "specversion": "1.0", "id": id, "source": "/many", "type": "order.placed", "subject": "many", "time": TIME.to_string(),
        "partitionkey": key, "sequence": sequence.to_string(),
    });
    let read = EventEnvelope { partition_key: key.to_owned(), sequence, ..plain(id, "/many", "many") };
    theirs_of(attributes, b"{}", read)
}

/// Events of every kind that may be published here.
pub(crate) fn ours() -> Vec<EventEnvelope> {
    let full = EventEnvelope {
        source: "/käserei/7".to_owned(),
        subject: "Bestellung \"7\" – 100% 😀".to_owned(),
        content_type: "application/json; charset=utf-8".to_owned(),
        version: 2,
        causation_id: Some(CAUSATION),
        trace: TraceContext::parse(TRACEPARENT, Some(TRACESTATE)),
        data: Bytes::from("{\"käse\":\"Gruyère\"}"),
        ..event("thing.done", "Kunde Ärger", 5)
    };
    let empty = EventEnvelope { data: Bytes::new(), ..event("thing.done", "empty", 1) };
    let without_subject = EventEnvelope { subject: String::new(), ..event("thing.done", "no subject", 1) };
    let binary = EventEnvelope {
        content_type: "application/octet-stream".to_owned(),
        data: (0..=255).collect::<Vec<u8>>().into(),
        trace: TraceContext::parse(TRACEPARENT, None),
        ..event("thing.done", "binary", 1)
    };
    let many = (0..30).map(|n| event("thing.done", &format!("Größe {}", n % 3), n / 3 + 1));
    [full, empty, without_subject, binary].into_iter().chain(many).collect()
}

/// An event as the other side has read it.
#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) attributes: Map<String, Value>,
    data: Vec<u8>,
    /// What its SDK makes of JSON.
    parsed: Value,
}

impl Read {
    pub(crate) fn parse(line: &str) -> Self {
        let Value::Object(mut told) = serde_json::from_str(line).expect(line) else { panic!("{line}") };
        let Some(Value::Object(mut attributes)) = told.remove("attributes") else { panic!("{line}") };
        // The SDK writes the same time in another form.
        let time: Timestamp = attributes["time"].as_str().and_then(|time| time.parse().ok()).expect(line);
        attributes.insert("time".to_owned(), time.to_string().into());
        let data = serde_json::from_value(told["data"].clone()).expect(line);
        Self { attributes, data, parsed: told["parsed"].take() }
    }
}

/// As the other side has to read an event.
pub(crate) fn as_read(event: &EventEnvelope) -> Read {
    let mut attributes = json!({
        "specversion": "1.0", "id": event.id, "source": event.source, "type": event.name, "time": event.time.to_string(),
        "datacontenttype": event.content_type, "eventversion": event.version.to_string(), "partitionkey": event.partition_key,
        "sequence": format!("{:020}", event.sequence), "correlationid": event.correlation_id,
    });
    let optional = [
        ("subject", Some(event.subject.clone()).filter(|subject| !subject.is_empty())),
        ("causationid", event.causation_id.map(|id| id.to_string())),
        ("traceparent", event.trace.as_ref().map(|trace| trace.traceparent().to_owned())),
        ("tracestate", event.trace.as_ref().and_then(|trace| trace.tracestate().map(str::to_owned))),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            attributes[name] = value.into();
        }
    }
    let Value::Object(attributes) = attributes else { panic!("an object") };
    let parsed = serde_json::from_slice(&event.data).unwrap_or(Value::Null);
    Read { attributes, data: event.data.to_vec(), parsed }
}
