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

/// What the names of attributes begin with, as the binding of CloudEvents to AMQP has it; the second form is for clients that cannot write the first.
const PREFIXES: [&str; 2] = ["cloudEvents:", "cloudEvents_"];

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
            && let Ok(short) = ShortString::try_new(value.as_str())
        {
            properties = properties.with_content_type(short);
        } else {
            headers.insert(format!("{}{name}", PREFIXES[0]).into(), AMQPValue::LongString(value.into()));
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
            && let Some(value) = text(value)
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

/// The text of an attribute, whichever type its writer gave it.
fn text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(str::to_owned),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        AMQPValue::Boolean(value) => Some(value.to_string()),
        AMQPValue::ShortShortInt(number) => Some(number.to_string()),
        AMQPValue::ShortShortUInt(number) => Some(number.to_string()),
        AMQPValue::ShortInt(number) => Some(number.to_string()),
        AMQPValue::ShortUInt(number) => Some(number.to_string()),
        AMQPValue::LongInt(number) => Some(number.to_string()),
        AMQPValue::LongUInt(number) => Some(number.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        AMQPValue::Timestamp(seconds) => {
            Timestamp::from_second(i64::try_from(*seconds).ok()?).ok().map(|time| time.to_string())
        }
        _ => None,
    }
}
