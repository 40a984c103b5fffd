use std::borrow::Cow;

use activelog_application::ports::Clock;
use activelog_domain::event::EventEnvelope;
use bytes::Bytes;
use jiff::Timestamp;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, ShortString},
};

use crate::{
    broker::wire::{self, Headers, WireError},
    clock::SystemClock,
};

/// What the names of attributes begin with. The first two as the binding of CloudEvents to AMQP has it, in the order it prefers; the third is how others who speak
/// to RabbitMQ in particular write them.
const PREFIXES: [&str; 3] = ["cloudEvents_", "cloudEvents:", "ce-"];

const PERSISTENT: u8 = 2;

/// The properties of an event's message.
pub(super) fn of(event: &EventEnvelope) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_message_id(event.id.to_string().into())
        .with_timestamp(u64::try_from(event.time.as_second()).unwrap_or(0));
    for (name, value) in wire::attributes(event) {
        if name == wire::CONTENT_TYPE
            && let Ok(short) = ShortString::try_new(value.as_ref())
        {
            properties = properties.with_content_type(short);
        } else {
            headers.insert(format!("{}{name}", PREFIXES[0]).into(), AMQPValue::LongString(value.as_ref().into()));
        }
    }
    properties.with_headers(headers)
}

/// The event of a message.
pub(super) fn open(delivery: &mut Delivery) -> Result<EventEnvelope, WireError> {
    let properties = &delivery.properties;
    let mut headers = Headers::default();
    for (name, value) in properties.headers().iter().flat_map(|table| table.inner()) {
        let attribute = PREFIXES.iter().find_map(|prefix| name.as_str().strip_prefix(prefix));
        if let Some(attribute) = attribute
            && let Some(value) = if attribute == "time" { time(value) } else { text(value) }
        {
            headers.add(attribute, value);
        }
    }
    if let Some(content_type) = properties.content_type() {
        headers.add(wire::CONTENT_TYPE, content_type.as_str());
    }
    let stamp = properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
    let arrived = stamp.and_then(|seconds| Timestamp::from_second(seconds).ok());
    headers.open(Bytes::from(std::mem::take(&mut delivery.data)), arrived.unwrap_or_else(|| SystemClock.now()))
}

/// The text of a time. A plain number is one of milliseconds, as a timestamp of AMQP 1.0 is, which some writers put into a header without its type.
fn time(value: &AMQPValue) -> Option<Cow<'_, str>> {
    match value {
        AMQPValue::LongLongInt(millis) => Timestamp::from_millisecond(*millis).ok().map(|time| time.to_string().into()),
        other => text(other),
    }
}

/// The text of an attribute, whichever type its writer gave it.
fn text(value: &AMQPValue) -> Option<Cow<'_, str>> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(Cow::Borrowed),
        AMQPValue::ShortString(text) => Some(text.to_string().into()),
        AMQPValue::Boolean(value) => Some(value.to_string().into()),
        AMQPValue::ShortShortInt(number) => Some(number.to_string().into()),
        AMQPValue::ShortShortUInt(number) => Some(number.to_string().into()),
        AMQPValue::ShortInt(number) => Some(number.to_string().into()),
        AMQPValue::ShortUInt(number) => Some(number.to_string().into()),
        AMQPValue::LongInt(number) => Some(number.to_string().into()),
        AMQPValue::LongUInt(number) => Some(number.to_string().into()),
        AMQPValue::LongLongInt(number) => Some(number.to_string().into()),
        AMQPValue::Timestamp(seconds) => {
            Timestamp::from_second(i64::try_from(*seconds).ok()?).ok().map(|time| time.to_string().into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use activelog_application::testing::broker::event;

    use super::*;

    fn delivery(properties: BasicProperties, data: &[u8]) -> Delivery {
        let mut delivery = Delivery::mock(1, "events".into(), "0.thing".into(), false, data.to_vec());
        delivery.properties = properties;
        delivery
    }

    fn of_somebody_else(prefix: &str, time: AMQPValue) -> BasicProperties {
        let mut headers = FieldTable::default();
        for (name, value) in [("specversion", "1.0"), ("id", "7"), ("source", "/shop"), ("type", "sold")] {
            headers.insert(format!("{prefix}{name}").into(), AMQPValue::LongString(value.into()));
        }
        headers.insert(format!("{prefix}time").into(), time);
        BasicProperties::default().with_headers(headers)
    }

    #[test]
    fn an_event_is_the_same_after_its_way() {
        let sent = event("thing.done", "käse", 7);
        assert_eq!(open(&mut delivery(of(&sent), &sent.data)).expect("an event"), sent);
    }

    #[test]
    fn whatever_the_prefix_and_the_form_of_the_time_it_is_read() {
        let noon = Timestamp::constant(1_700_000_000, 0);
        for prefix in PREFIXES {
            for time in [
                AMQPValue::LongLongInt(1_700_000_000_000),
                AMQPValue::Timestamp(1_700_000_000),
                AMQPValue::LongString(noon.to_string().into()),
            ] {
                let got = open(&mut delivery(of_somebody_else(prefix, time), b"{}")).expect("an event");
                assert_eq!((got.name.as_str(), got.time), ("sold", noon), "{prefix}");
            }
        }
    }
}
