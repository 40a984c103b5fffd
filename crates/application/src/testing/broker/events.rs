use std::sync::atomic::{AtomicU64, Ordering};

use activelog_domain::event::{EventEnvelope, JSON};
use bytes::Bytes;
use jiff::Timestamp;
use uuid::{Builder, Uuid};

/// When the events of the suite happened.
const TIME: Timestamp = Timestamp::constant(1_718_000_000, 123_456_000);

/// A new event called `name`, with its key as its subject, and `sequence` as its data too.
pub fn event(name: &str, key: &str, sequence: u64) -> EventEnvelope {
    EventEnvelope {
        id: id(),
        source: "/conformance".to_owned(),
        name: name.to_owned(),
        subject: key.to_owned(),
        time: TIME,
        content_type: JSON.to_owned(),
        version: 1,
        partition_key: key.to_owned(),
        sequence,
        correlation_id: Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_00c0),
        causation_id: None,
        trace: None,
        data: Bytes::from(format!("{{\"sequence\":{sequence}}}")),
    }
}

/// `count` events called `name`, dealt out to `keys` keys in turn, with each key's sequence from 1.
pub(super) fn events(name: &str, keys: u64, count: u64) -> Vec<EventEnvelope> {
    (0..count).map(|n| event(name, &format!("thing-{}", n % keys), n / keys + 1)).collect()
}

/// A UUIDv7 that no other event of this process has, and none of another process either.
fn id() -> Uuid {
    static IDS: AtomicU64 = AtomicU64::new(0);
    let count = IDS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let mut random = [0; 10];
    random[..2].copy_from_slice(&fastrand::u16(..).to_be_bytes());
    random[2..].copy_from_slice(&count);
    let millis = u64::try_from(TIME.as_millisecond()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis + u64::from(fastrand::u32(..)), &random).into_uuid()
}
