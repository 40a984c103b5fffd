//! Events on the wire: CloudEvents 1.0 in *binary mode*. The attributes travel as headers, in whatever form a broker has for them, and the data as it is.
//!
//! Adapters put [`attributes`] into headers, and headers into [`Headers`]. What any other CloudEvents producer sends can be read: attributes that only this
//! application knows may be missing.

use std::borrow::Cow;

use activelog_domain::event::{EventEnvelope, TraceContext, foreign_id};
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

/// The only version of the specification there is to know.
const SPEC_VERSION: &str = "1.0";

/// What CloudEvents calls the media type of the data. Most brokers have a place of their own for it.
pub(super) const CONTENT_TYPE: &str = "datacontenttype";

/// What the data is when nobody says: JSON, as the specification has it.
const DEFAULT_CONTENT_TYPE: &str = "application/json";

/// A message that is no CloudEvent this application can carry.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// An attribute that every CloudEvent has is not there.
    #[error("it has no {0}, which every CloudEvent has")]
    Missing(&'static str),
    /// Another version of the specification.
    #[error("its specversion is {0:?}; only \"1.0\" is known")]
    SpecVersion(String),
    /// An attribute is not what it must be.
    #[error("its {attribute} is {value:?}: {rule}")]
    Invalid {
        /// The attribute.
        attribute: &'static str,
        /// What it says.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
}

/// The attributes of an event, with the names that CloudEvents gives them.
pub(super) fn attributes(event: &EventEnvelope) -> Vec<(&'static str, Cow<'_, str>)> {
    let mut attributes: Vec<(_, Cow<str>)> = vec![
        ("specversion", SPEC_VERSION.into()),
        ("id", event.id.to_string().into()),
        ("source", event.source.as_str().into()),
        ("type", event.name.as_str().into()),
        ("subject", event.subject.as_str().into()),
        ("time", event.time.to_string().into()),
        (CONTENT_TYPE, event.content_type.as_str().into()),
        ("eventversion", event.version.to_string().into()),
        ("partitionkey", event.partition_key.as_str().into()),
        // The extension orders lexicographically, so it is written with leading zeros.
        ("sequence", format!("{:020}", event.sequence).into()),
        ("correlationid", event.correlation_id.to_string().into()),
    ];
    // None may be there and be empty.
    attributes.retain(|(_, value)| !value.is_empty());
    attributes.extend(event.causation_id.map(|id| ("causationid", id.to_string().into())));
    if let Some(trace) = &event.trace {
        attributes.push(("traceparent", trace.traceparent().into()));
        attributes.extend(trace.tracestate().map(|state| ("tracestate", state.into())));
    }
    attributes
}

/// The attributes that are read of a message; others may have more.
const READ: [&str; 14] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    CONTENT_TYPE,
    "eventversion",
    "partitionkey",
    "sequence",
    "correlationid",
    "causationid",
    "traceparent",
    "tracestate",
];

/// The attributes of a message that has arrived.
#[derive(Debug, Default)]
pub(super) struct Headers<'a>([Option<Cow<'a, str>>; READ.len()]);

impl<'a> Headers<'a> {
    /// Takes in an attribute. The first of a name counts, and one that is empty is not there.
    pub(super) fn add(&mut self, name: &str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        if let Some(slot) = READ.iter().position(|known| known.eq_ignore_ascii_case(name))
            && !value.is_empty()
        {
            self.0[slot].get_or_insert(value);
        }
    }

    fn get(&self, name: &'static str) -> Option<&str> {
        self.0[READ.iter().position(|known| *known == name)?].as_deref()
    }

    fn required(&self, name: &'static str) -> Result<&str, WireError> {
        self.get(name).ok_or(WireError::Missing(name))
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        attribute: &'static str,
        rule: &'static str,
    ) -> Result<Option<T>, WireError> {
        let parse = |value: &str| {
            value.parse().map_err(|_| WireError::Invalid { attribute, value: value.chars().take(80).collect(), rule })
        };
        self.get(attribute).map(parse).transpose()
    }

    /// Makes an event of attributes and data; `arrived` is its time when it does not say.
    pub(super) fn open(&self, data: Bytes, arrived: Timestamp) -> Result<EventEnvelope, WireError> {
        let version = self.required("specversion")?;
        if version != SPEC_VERSION {
            return Err(WireError::SpecVersion(version.chars().take(80).collect()));
        }
        let source = self.required("source")?;
        // Others' ids are only unique together with their source.
        let id_of = |id: &str| id.parse().unwrap_or_else(|_| foreign_id(source, id));
        let id: Uuid = id_of(self.required("id")?);
        let subject = self.get("subject").unwrap_or_default().to_owned();
        let own_key = || if subject.is_empty() { id.to_string() } else { subject.clone() };
        let trace = self.get("traceparent").and_then(|parent| TraceContext::parse(parent, self.get("tracestate")));
        Ok(EventEnvelope {
            id,
            source: source.to_owned(),
            name: self.required("type")?.to_owned(),
            time: self.parsed("time", "must be an RFC 3339 time")?.unwrap_or(arrived),
            content_type: self.get(CONTENT_TYPE).unwrap_or(DEFAULT_CONTENT_TYPE).to_owned(),
            version: self.parsed("eventversion", "must be a number")?.unwrap_or(1),
            partition_key: self.get("partitionkey").map_or_else(own_key, str::to_owned),
            // Others' may be any text, of which nothing but the order is known.
            sequence: self.get("sequence").and_then(|text| text.parse().ok()).unwrap_or(0),
            correlation_id: self.get("correlationid").map_or(id, correlation),
            causation_id: self.get("causationid").map(id_of),
            trace,
            subject,
            data,
        })
    }
}

/// Others' correlation ids are any text, and go beyond one source: one that is no UUID is made one of itself alone, the same each time.
fn correlation(text: &str) -> Uuid {
    text.parse().unwrap_or_else(|_| Uuid::new_v5(&Uuid::NAMESPACE_URL, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'a>(attributes: &[(&'a str, &'a str)]) -> Headers<'a> {
        let mut headers = Headers::default();
        attributes.iter().for_each(|(name, value)| headers.add(name, *value));
        headers
    }

    const BARE: [(&str, &str); 4] =
        [("specversion", "1.0"), ("id", "order 7"), ("source", "/shop"), ("type", "order.placed")];

    #[test]
    fn an_event_of_somebody_else_needs_the_four_attributes_and_no_more() {
        let arrived = Timestamp::UNIX_EPOCH;
        let open = |attributes: &[_]| headers(attributes).open(Bytes::from_static(b"{}"), arrived);
        let event = open(&BARE).expect("a CloudEvent");
        assert_eq!((event.name.as_str(), event.version, event.sequence, event.time), ("order.placed", 1, 0, arrived));
        assert_eq!((event.partition_key, event.correlation_id), (event.id.to_string(), event.id));
        assert_eq!(open(&BARE).expect("the same").id, event.id, "its id is the same each time");
        for missing in 0..BARE.len() {
            let mut some = BARE.to_vec();
            let (name, _) = some.remove(missing);
            assert!(open(&some).expect_err(name).to_string().contains(name));
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (attribute, value) in [("specversion", "0.3"), ("time", "noon"), ("eventversion", "x")] {
            let mut all = vec![(attribute, value)];
            all.extend(BARE);
            let error = headers(&all).open(Bytes::new(), Timestamp::UNIX_EPOCH).expect_err(attribute).to_string();
            assert!(error.contains(attribute) && error.contains(value), "{error}");
        }
    }

    #[test]
    fn extensions_of_somebody_else_are_any_text() {
        let open = |attributes: &[(&str, &str)]| {
            let all: Vec<_> = BARE.iter().chain(attributes).copied().collect();
            headers(&all).open(Bytes::new(), Timestamp::UNIX_EPOCH).expect("a CloudEvent")
        };
        let event = open(&[("sequence", "b-2"), ("correlationid", "order 7"), ("causationid", "order 7")]);
        assert_eq!(event.sequence, 0);
        assert_eq!(event.causation_id, Some(event.id), "the event that has this id");
        assert_ne!(event.correlation_id, event.id, "it is not of one source alone");
        assert_eq!(open(&[("correlationid", "order 7")]).correlation_id, event.correlation_id, "the same each time");
    }

    #[test]
    fn what_is_empty_is_neither_sent_nor_taken() {
        let empty = [("subject", ""), ("partitionkey", ""), ("correlationid", ""), ("datacontenttype", "")];
        let all: Vec<_> = BARE.into_iter().chain(empty).collect();
        let event = headers(&all).open(Bytes::new(), Timestamp::UNIX_EPOCH).expect("a CloudEvent");
        assert_eq!((event.partition_key.as_str(), event.correlation_id), (event.id.to_string().as_str(), event.id));
        assert_eq!(event.content_type, "application/json");
        assert!(attributes(&event).iter().all(|(name, value)| *name != "subject" && !value.is_empty()));
    }
}
