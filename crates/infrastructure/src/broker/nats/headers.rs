use activelog_domain::event::EventEnvelope;
use async_nats::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::broker::wire::{self, CONTENT_TYPE, Headers, WireError};

/// What the names of headers that are attributes begin with.
const ATTRIBUTE: &str = "ce-";

/// Where the media type of the data is.
const MEDIA_TYPE: &str = "content-type";

/// What header values must not hold: as CloudEvents has it for HTTP, anything but printable ASCII without space, quotation mark and percent sign.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// The headers of an event.
pub(super) fn of(event: &EventEnvelope) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in wire::attributes(event) {
        if name == CONTENT_TYPE {
            headers.insert(MEDIA_TYPE, value);
        } else {
            headers.insert(format!("{ATTRIBUTE}{name}"), utf8_percent_encode(&value, ENCODED).to_string());
        }
    }
    headers
}

/// The event that headers and data are.
pub(super) fn open(headers: Option<&HeaderMap>, data: Bytes, arrived: Timestamp) -> Result<EventEnvelope, WireError> {
    let mut attributes = Headers::default();
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let (name, Some(value)) = (name.to_string().to_ascii_lowercase(), values.first()) else { continue };
        if name == MEDIA_TYPE {
            attributes.add(CONTENT_TYPE, value.as_str());
        } else if let Some(attribute) = name.strip_prefix(ATTRIBUTE) {
            attributes.add(attribute, percent_decode_str(value.as_str()).decode_utf8_lossy());
        }
    }
    attributes.open(data, arrived)
}
