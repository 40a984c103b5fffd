use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
};

use activelog_domain::event::EventEnvelope;
use bytes::Bytes;
use jiff::Timestamp;
use rdkafka::{
    Message,
    message::{Header, Headers as _, OwnedHeaders},
};

use crate::broker::wire::{self, CONTENT_TYPE, Headers, WireError};

/// What the names of headers that are attributes begin with.
const ATTRIBUTE: &str = "ce_";

/// Where the media type of the data is.
const MEDIA_TYPE: &str = "content-type";

/// The headers of an event.
pub(super) fn of(event: &EventEnvelope) -> OwnedHeaders {
    let attributes = wire::attributes(event);
    let (mut headers, mut key) = (OwnedHeaders::new_with_capacity(attributes.len()), ATTRIBUTE.to_owned());
    for (name, value) in &attributes {
        let value = Some(value.as_ref());
        headers = match *name {
            CONTENT_TYPE => headers.insert(Header { key: MEDIA_TYPE, value }),
            name => {
                key.truncate(ATTRIBUTE.len());
                key.push_str(name);
                headers.insert(Header { key: &key, value })
            }
        };
    }
    headers
}

/// The text of a header. Nearly all are UTF-8, which is quicker to find out than to mend.
fn text(value: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}

/// The event that a message is.
pub(super) fn open(message: &impl Message) -> Result<EventEnvelope, WireError> {
    let mut attributes = Headers::default();
    for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
        let Some(value) = header.value.map(text) else { continue };
        if header.key.eq_ignore_ascii_case(MEDIA_TYPE) {
            attributes.add(CONTENT_TYPE, value);
        } else if let Some(attribute) = header.key.strip_prefix(ATTRIBUTE) {
            attributes.add(attribute, value);
        }
    }
    // What others publish may say it by the key alone. The first of a name counts.
    if let Some(Ok(key)) = message.key().filter(|key| !key.is_empty()).map(std::str::from_utf8) {
        attributes.add("partitionkey", key);
    }
    let data = message.payload().map_or_else(Bytes::new, Bytes::copy_from_slice);
    let arrived = message.timestamp().to_millis().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    attributes.open(data, arrived.unwrap_or_default())
}

/// The same of a message that anybody may have written: the driver's own way of reading a header panics when its name is no UTF-8, which brokers let pass.
pub(super) fn open_any(message: &impl Message) -> Result<EventEnvelope, WireError> {
    let opened = catch_unwind(AssertUnwindSafe(|| open(message)));
    opened.unwrap_or_else(|_| {
        let (value, rule) = ("?".to_owned(), "must have a name in UTF-8");
        Err(WireError::Invalid { attribute: "header", value, rule })
    })
}

#[cfg(test)]
mod tests {
    use activelog_application::testing::broker::event;
    use rdkafka::message::{OwnedMessage, Timestamp as Stamp};

    use super::*;

    fn message(headers: OwnedHeaders, key: &str, data: &[u8]) -> OwnedMessage {
        let (data, key) = (Some(data.to_vec()), Some(key.as_bytes().to_vec()));
        OwnedMessage::new(data, key, "topic".to_owned(), Stamp::CreateTime(1_000), 0, 0, Some(headers))
    }

    #[test]
    fn an_event_is_the_same_after_its_way() {
        let sent = event("thing.done", "käse", 7);
        let got = open(&message(of(&sent), &sent.partition_key, &sent.data)).expect("an event");
        assert_eq!(got, sent);
    }

    #[test]
    fn the_key_of_a_message_of_somebody_else_is_the_partition_key() {
        let mut headers = OwnedHeaders::new();
        for (key, value) in [("ce_specversion", "1.0"), ("ce_id", "7"), ("ce_source", "/shop"), ("ce_type", "sold")] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let got = open(&message(headers, "order-7", b"{}")).expect("an event");
        assert_eq!((got.partition_key.as_str(), got.time), ("order-7", Timestamp::constant(1, 0)));
    }
}
