use std::borrow::Cow;

use activelog_domain::event::EventEnvelope;
use async_nats::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::broker::wire::{self, CONTENT_TYPE, Headers, WireError};

/// What the names of headers that are attributes begin with.
const ATTRIBUTE: &str = "ce-";

/// Where other bindings than that to NATS have the media type of the data. It is written there too: clients with one way of reading headers for all look there.
const MEDIA_TYPE: &str = "content-type";

/// What header values must not hold: as CloudEvents has it for HTTP, anything but printable ASCII without space, quotation mark and percent sign.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// The headers of an event.
pub(super) fn of(event: &EventEnvelope) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in wire::attributes(event) {
        headers.insert(format!("{ATTRIBUTE}{name}"), utf8_percent_encode(&value, ENCODED).to_string());
        // The driver takes no line ends there; the attribute has them encoded.
        if name == CONTENT_TYPE && !value.contains(char::is_control) {
            headers.insert(MEDIA_TYPE, value.as_ref());
        }
    }
    headers
}

/// The event that headers and data are.
pub(super) fn open(headers: Option<&HeaderMap>, data: Bytes, arrived: Timestamp) -> Result<EventEnvelope, WireError> {
    let mut attributes = Headers::default();
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let (name, Some(value)): (&str, _) = (name.as_ref(), values.first()) else { continue };
        if name.eq_ignore_ascii_case(MEDIA_TYPE) {
            attributes.add(CONTENT_TYPE, value.as_str());
        } else if let Some((start, attribute)) = name.split_at_checked(ATTRIBUTE.len())
            && start.eq_ignore_ascii_case(ATTRIBUTE)
        {
            attributes.add(attribute, decoded(value.as_str())?);
        }
    }
    attributes.open(data, arrived)
}

/// A value without quotation marks, which older writers put around it, and without percent signs.
fn decoded(value: &str) -> Result<Cow<'_, str>, WireError> {
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let text = match quoted {
        None => percent_decode_str(value).decode_utf8(),
        Some(quoted) => {
            let mut escaped = false;
            let kept = quoted.chars().filter(|c| {
                escaped = *c == '\\' && !escaped;
                !escaped
            });
            let plain: String = kept.collect();
            percent_decode_str(&plain).decode_utf8().map(|text| Cow::Owned(text.into_owned()))
        }
    };
    text.map_err(|_| WireError::Invalid {
        attribute: "header",
        value: value.chars().take(80).collect(),
        rule: "must be UTF-8, percent-encoded",
    })
}

#[cfg(test)]
mod tests {
    use activelog_application::testing::broker::event;

    use super::*;

    #[test]
    fn an_event_is_the_same_after_its_way_and_its_media_type_is_where_either_reader_looks() {
        let sent = event("thing.done", "käse \"7\" 100%", 7);
        let headers = of(&sent);
        for name in ["ce-datacontenttype", MEDIA_TYPE] {
            assert_eq!(headers.get(name).map(|value| value.as_str()), Some(sent.content_type.as_str()), "{name}");
        }
        assert!(headers.iter().all(|(_, values)| values.iter().all(|value| value.as_str().is_ascii())));
        assert_eq!(open(Some(&headers), sent.data.clone(), sent.time).expect("an event"), sent);
    }

    #[test]
    fn values_are_decoded_once_and_only_when_they_are_utf_8() {
        for (written, meant) in [
            ("Euro%20%e2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            (r#""say \"a\\b\" %25""#, r#"say "a\b" %"#),
            ("%2525", "%25"),
            ("\"", "\""),
        ] {
            assert_eq!(decoded(written).expect(written), meant);
        }
        assert!(decoded("%C0%A0").expect_err("overlong").to_string().contains("%C0%A0"));
    }
}
