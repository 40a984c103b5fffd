//! From encoded data of any version to the event of the newest one.

use serde_json::Value;
use uuid::Uuid;

use super::{DomainEvent, EventData, EventEnvelope, JSON, UpcastError, Upcaster, upcaster};

/// An envelope does not hold the event that was asked for. Trying again will not help.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The envelope carries another event.
    #[error("event {id} is a {found}, not a {expected}")]
    Name {
        /// The envelope's id.
        id: Uuid,
        /// The name asked for.
        expected: &'static str,
        /// The name found.
        found: String,
    },
    /// The data has a version this program does not know: it was published by a newer one.
    #[error(
        "event {id} ({name}) has version {found}; this program knows up to {known}: upgrade it, then replay the event"
    )]
    Version {
        /// The envelope's id.
        id: Uuid,
        /// The event's name.
        name: &'static str,
        /// The version found.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The envelope says version 0, which no event has.
    #[error("event {id} ({name}) has version 0, but versions count from 1: correct what publishes it")]
    VersionZero {
        /// The envelope's id.
        id: Uuid,
        /// The event's name.
        name: &'static str,
    },
    /// Nothing leads on from a version on the way to the newest one.
    #[error(
        "event {id} ({name}) has version {found}, and nothing leads from version {missing} to {known}: add the upcaster, then replay the event"
    )]
    NoUpcaster {
        /// The envelope's id.
        id: Uuid,
        /// The event's name.
        name: &'static str,
        /// The version found.
        found: u32,
        /// The version whose upcaster is not there.
        missing: u32,
        /// The newest version known here.
        known: u32,
    },
    /// A step to the next version failed: the data is not what its version says.
    #[error("event {id} ({name}) has version {found}, and its data cannot be turned from version {step} into {}: {source}", step + 1)]
    Upcast {
        /// The envelope's id.
        id: Uuid,
        /// The event's name.
        name: &'static str,
        /// The version found.
        found: u32,
        /// The version whose step failed.
        step: u32,
        /// What the step said.
        source: UpcastError,
    },
    /// The data is in another format.
    #[error("event {id} ({name}) has content type {found}, not {JSON}")]
    ContentType {
        /// The envelope's id.
        id: Uuid,
        /// The event's name.
        name: &'static str,
        /// The content type found.
        found: String,
    },
    /// The data does not parse, as JSON or as the event.
    #[error("event {id} ({name}, version {version}) has data that does not parse: {source}")]
    Data {
        /// The envelope's id.
        id: Uuid,
        /// The event's name.
        name: &'static str,
        /// The version found.
        version: u32,
        /// What serde said.
        source: serde_json::Error,
    },
}

impl EventEnvelope {
    /// Takes the event out, in its newest version; the envelope stays as it is. Fails when the envelope carries another event,
    /// a version not known here, or data that is not what it should be: trying again will not help.
    pub fn open<E: DomainEvent>(&self) -> Result<E, DecodeError> {
        const { upcaster::check::<E>() };
        let (id, name, version) = (self.id, E::NAME, self.version);
        if self.name != name {
            return Err(DecodeError::Name { id, expected: name, found: self.name.clone() });
        }
        if version > E::VERSION {
            return Err(DecodeError::Version { id, name, found: version, known: E::VERSION });
        }
        if version == 0 {
            return Err(DecodeError::VersionZero { id, name });
        }
        if self.content_type != JSON {
            return Err(DecodeError::ContentType { id, name, found: self.content_type.clone() });
        }
        let unreadable = |source| DecodeError::Data { id, name, version, source };
        if version == E::VERSION {
            return serde_json::from_slice(&self.data).map_err(unreadable);
        }
        let data = serde_json::from_slice(&self.data).map_err(unreadable)?;
        let data = self.upcast(name, E::VERSION, E::UPCASTERS, data)?;
        E::deserialize(Value::Object(data)).map_err(unreadable)
    }

    /// Takes the data through the steps from this envelope's version to the newest one.
    fn upcast(
        &self,
        name: &'static str,
        known: u32,
        steps: &[Upcaster],
        mut data: EventData,
    ) -> Result<EventData, DecodeError> {
        let (id, found) = (self.id, self.version);
        for version in found..known {
            let step = steps.iter().find(|step| step.from() == version);
            let step = step.ok_or(DecodeError::NoUpcaster { id, name, found, missing: version, known })?;
            data = step.apply(data).map_err(|source| DecodeError::Upcast { id, name, found, step: version, source })?;
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::event::{AggregateRef, EventMetadata};

    /// A run whose length was a text in version 1, metres in version 2, and has a unit beside it since version 3.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Measured {
        length: u32,
        unit: String,
    }

    impl DomainEvent for Measured {
        const NAME: &'static str = "run.measured";
        const VERSION: u32 = 3;
        const UPCASTERS: &'static [Upcaster] = &[Upcaster::new(1, text_to_metres), Upcaster::new(2, add_unit)];

        fn aggregate(&self) -> AggregateRef {
            AggregateRef { subject: "run-1".into(), sequence: 1 }
        }
    }

    fn text_to_metres(mut data: EventData) -> Result<EventData, UpcastError> {
        let text = data.get("length").and_then(Value::as_str).and_then(|text| text.strip_suffix(" m"));
        let metres: Option<u32> = text.and_then(|text| text.parse().ok());
        let metres = metres.ok_or(UpcastError("length is not a number of metres".into()))?;
        data.insert("length".into(), metres.into());
        Ok(data)
    }

    fn add_unit(mut data: EventData) -> Result<EventData, UpcastError> {
        data.insert("unit".into(), "m".into());
        Ok(data)
    }

    fn envelope(version: u32, data: &str) -> EventEnvelope {
        let newest = Measured { length: 0, unit: String::new() };
        let metadata = EventMetadata {
            id: Uuid::from_u128(7),
            time: Timestamp::UNIX_EPOCH,
            correlation_id: Uuid::nil(),
            causation_id: None,
            trace: None,
        };
        let sealed = EventEnvelope::seal(&newest, metadata).expect("encodes");
        EventEnvelope { version, data: Bytes::copy_from_slice(data.as_bytes()), ..sealed }
    }

    fn refusal(envelope: &EventEnvelope) -> String {
        envelope.open::<Measured>().expect_err("a refusal").to_string()
    }

    #[test]
    fn every_version_opens_as_the_newest_and_the_envelope_stays() {
        for (version, data) in
            [(1, r#"{"length":"90 m"}"#), (2, r#"{"length":90}"#), (3, r#"{"length":90,"unit":"m"}"#)]
        {
            let sealed = envelope(version, data);
            let before = sealed.clone();
            let opened = sealed.open::<Measured>().expect("opens");
            assert_eq!(opened, Measured { length: 90, unit: "m".into() }, "version {version}");
            assert_eq!(sealed, before, "version {version}");
        }
    }

    #[test]
    fn a_step_that_fails_says_which_and_why() {
        let id = Uuid::from_u128(7);
        for data in [r#"{"length":"far"}"#, "{}", r#"{"length":null}"#] {
            assert_eq!(
                refusal(&envelope(1, data)),
                format!(
                    "event {id} (run.measured) has version 1, and its data cannot be turned from version 1 into 2: \
                     length is not a number of metres"
                )
            );
        }
    }

    #[test]
    fn versions_that_nobody_publishes_are_refused() {
        assert!(refusal(&envelope(0, "{}")).contains("has version 0, but versions count from 1"));
        let newer = refusal(&envelope(4, "{}"));
        assert!(newer.contains("has version 4; this program knows up to 3: upgrade it, then replay"), "{newer}");
        assert!(refusal(&envelope(u32::MAX, "{}")).contains("4294967295"));
    }

    #[test]
    fn data_that_does_not_parse_is_refused_before_and_after_the_steps() {
        let cases =
            [(1, "{broken"), (1, "[]"), (1, "7"), (3, "{broken"), (2, r#"{"length":-5}"#), (3, r#"{"length":5}"#)];
        for (version, data) in cases {
            let error = refusal(&envelope(version, data));
            assert!(
                error.contains(&format!("(run.measured, version {version}) has data that does not parse")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_step_is_named() {
        let old = envelope(1, "{}");
        let error =
            old.upcast("run.measured", 3, &[Upcaster::new(1, Ok)], EventData::new()).expect_err("a missing step");
        assert!(
            error.to_string().contains("has version 1, and nothing leads from version 2 to 3: add the upcaster"),
            "{error}"
        );
    }

    /// A float is the same however often it is read and written, also one that takes care to read.
    #[test]
    fn numbers_are_read_exactly() {
        for text in ["1.07156608002e131", "9.5367431640625e-7", "10.123"] {
            let number: f64 = serde_json::from_str(text).expect("a number");
            assert_eq!(Ok(number), text.parse());
            let written = serde_json::to_string(&number).expect("a text");
            assert_eq!(serde_json::from_str(&written).ok(), Some(number), "{text}");
        }
    }
}
