//! The CloudEvents 1.0 JSON format ("structured mode") of an envelope. JSON data stands in `data`, any other data in
//! `data_base64`.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{EventEnvelope, JSON, TraceContext};

/// A JSON document is not a CloudEvent this application can carry.
#[derive(Debug, thiserror::Error)]
pub enum CloudEventError {
    /// Another version of the specification.
    #[error("specversion is {0:?}; only \"1.0\" is known")]
    SpecVersion(String),
    /// `sequence` is not a number.
    #[error("sequence is {0:?}; it must be a decimal number")]
    Sequence(String),
    /// Both or neither of `data` and `data_base64`, or base64 that does not decode.
    #[error("{0}")]
    Data(&'static str),
}

/// The attributes in the order they are written.
#[derive(Serialize, Deserialize)]
struct CloudEvent<'a> {
    specversion: String,
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    name: String,
    subject: String,
    time: Timestamp,
    datacontenttype: String,
    eventversion: u32,
    partitionkey: String,
    sequence: String,
    correlationid: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    causationid: Option<Uuid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    data: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
}

/// The `sequence` extension orders lexicographically, so it is written with leading zeros.
fn sequence_text(sequence: u64) -> String {
    format!("{sequence:020}")
}

impl Serialize for EventEnvelope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Data that claims to be JSON and is not still has to be shown to an operator, byte for byte. So has JSON with space around it,
        // and `null`, which as `data` means that there is none.
        let json = (self.content_type == JSON).then(|| serde_json::from_slice::<&RawValue>(&self.data).ok()).flatten();
        let json = json.filter(|json| json.get().len() == self.data.len() && json.get() != "null");
        CloudEvent {
            specversion: "1.0".to_owned(),
            id: self.id,
            source: self.source.clone(),
            name: self.name.clone(),
            subject: self.subject.clone(),
            time: self.time,
            datacontenttype: self.content_type.clone(),
            eventversion: self.version,
            partitionkey: self.partition_key.clone(),
            sequence: sequence_text(self.sequence),
            correlationid: self.correlation_id,
            causationid: self.causation_id,
            traceparent: self.trace.as_ref().map(|t| t.traceparent().to_owned()),
            tracestate: self.trace.as_ref().and_then(|t| t.tracestate().map(str::to_owned)),
            data: json,
            data_base64: json.is_none().then(|| BASE64_STANDARD.encode(&self.data)),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventEnvelope {
    /// Reads structured mode. From `&str` or `&[u8]`: the data is taken without going through a tree of values.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CloudEvent::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

impl TryFrom<CloudEvent<'_>> for EventEnvelope {
    type Error = CloudEventError;

    fn try_from(event: CloudEvent<'_>) -> Result<Self, CloudEventError> {
        if event.specversion != "1.0" {
            return Err(CloudEventError::SpecVersion(event.specversion));
        }
        let sequence = event.sequence.parse().map_err(|_| CloudEventError::Sequence(event.sequence))?;
        let data = match (event.data, event.data_base64) {
            (Some(json), None) => Bytes::copy_from_slice(json.get().as_bytes()),
            (None, Some(text)) => {
                BASE64_STANDARD.decode(text).map_err(|_| CloudEventError::Data("data_base64 is not base64"))?.into()
            }
            _ => return Err(CloudEventError::Data("exactly one of data and data_base64 must be there")),
        };
        Ok(Self {
            id: event.id,
            source: event.source,
            name: event.name,
            subject: event.subject,
            time: event.time,
            content_type: event.datacontenttype,
            version: event.eventversion,
            partition_key: event.partitionkey,
            sequence,
            correlation_id: event.correlationid,
            causation_id: event.causationid,
            trace: event.traceparent.and_then(|p| TraceContext::parse(&p, event.tracestate.as_deref())),
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(content_type: &str, data: &'static [u8]) -> EventEnvelope {
        EventEnvelope {
            id: Uuid::from_u128(7),
            source: "/activelog".into(),
            name: "thing.done".into(),
            subject: "thing-Ünïcode".into(),
            time: Timestamp::UNIX_EPOCH,
            content_type: content_type.into(),
            version: 1,
            partition_key: "thing-Ünïcode".into(),
            sequence: 12,
            correlation_id: Uuid::from_u128(8),
            causation_id: Some(Uuid::from_u128(9)),
            trace: TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=b")),
            data: Bytes::from_static(data),
        }
    }

    fn round_trip(event: &EventEnvelope) -> Result<(String, EventEnvelope), serde_json::Error> {
        let text = serde_json::to_string(event)?;
        let back = serde_json::from_str(&text)?;
        Ok((text, back))
    }

    #[test]
    fn json_data_stays_json() -> Result<(), serde_json::Error> {
        let event = envelope(JSON, br#"{"n":1.50,"s":"a"}"#);
        let (text, back) = round_trip(&event)?;
        assert!(text.contains(r#""data":{"n":1.50,"s":"a"}"#), "{text}");
        assert!(text.contains(r#""sequence":"00000000000000000012""#), "{text}");
        assert_eq!(back, event);
        Ok(())
    }

    #[test]
    fn other_data_and_json_that_data_cannot_hold_travel_as_base64() -> Result<(), serde_json::Error> {
        let json = [&b"{broken"[..], b"", b"null", b" null", b" {\"n\":1}", b"[1]\n"].map(|data| envelope(JSON, data));
        for event in [envelope("application/octet-stream", &[0, 255, 1])].iter().chain(&json) {
            let (text, back) = round_trip(event)?;
            assert!(text.contains("data_base64"), "{text}");
            assert_eq!(&back, event);
        }
        Ok(())
    }

    #[test]
    fn refuses_what_is_not_a_cloud_event_of_version_1() -> Result<(), serde_json::Error> {
        let (text, _) = round_trip(&envelope(JSON, b"{}"))?;
        for (from, to, expected) in [
            (r#""specversion":"1.0""#, r#""specversion":"2.0""#, "specversion"),
            (r#""00000000000000000012""#, r#""twelve""#, "sequence"),
            (r#""data":{}"#, r#""data":{},"data_base64":"AA==""#, "exactly one"),
        ] {
            let error = serde_json::from_str::<EventEnvelope>(&text.replace(from, to)).err().map(|e| e.to_string());
            assert!(error.as_ref().is_some_and(|e| e.contains(expected)), "{error:?}");
        }
        Ok(())
    }
}
