//! Every event ever published must keep decoding: each version's JSON stands in `tests/golden/` for ever.

#![expect(clippy::expect_used, reason = "golden data that does not decode has failed")]

use activelog_domain::{
    activity::{ActivityCreated, ActivityDeleted, ActivitySnapshot, ActivityUpdated},
    event::{DomainEvent, EventEnvelope, EventMetadata},
    user::UserId,
    webhook::WebhookDeliveryRequested,
};
use jiff::Timestamp;
use uuid::Uuid;

fn instant(text: &str) -> Timestamp {
    text.parse().expect("a valid instant")
}

fn snapshot(version: u64, title: &str) -> ActivitySnapshot {
    ActivitySnapshot {
        activity_id: Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0001),
        user_id: UserId(Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0002)),
        activity_type: "run".into(),
        title: title.into(),
        duration_minutes: 45,
        distance_km: Some(10.123),
        calories_burned: Some(512),
        activity_date: instant("2026-03-12T18:00:00Z"),
        version,
    }
}

/// The newest version: sealed, the event is the golden envelope, byte for byte; opened, the golden envelope is the event.
fn check<E: DomainEvent + PartialEq + std::fmt::Debug>(event: &E, golden: &str) {
    let metadata = EventMetadata {
        id: Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0003),
        time: instant("2026-03-12T19:00:00Z"),
        correlation_id: Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0004),
        causation_id: None,
        trace: None,
    };
    let envelope = EventEnvelope::seal(event, metadata).expect("encodes");
    assert_eq!(serde_json::to_string(&envelope).expect("encodes"), golden.trim_end());
    check_old(event, E::VERSION, golden);
}

/// A version since left behind: opened, the golden envelope is the event as it is today, and stays what it was.
fn check_old<E: DomainEvent + PartialEq + std::fmt::Debug>(event: &E, version: u32, golden: &str) {
    let read: EventEnvelope = serde_json::from_str(golden).expect("the golden envelope decodes");
    assert_eq!(read.version, version);
    assert_eq!(&read.open::<E>().expect("the golden event decodes"), event);
    assert_eq!(serde_json::to_string(&read).expect("encodes"), golden.trim_end());
}

#[test]
fn activity_created_v1() {
    let event = ActivityCreated { activity: snapshot(1, "Morning run"), tags: Vec::new() };
    check_old(&event, 1, include_str!("golden/activity.created.v1.json"));
}

#[test]
fn activity_created_v2() {
    let tags = vec!["race".into(), "avec été".into()];
    let event = ActivityCreated { activity: snapshot(1, "Morning run"), tags };
    check(&event, include_str!("golden/activity.created.v2.json"));
}

#[test]
fn every_golden_file_is_tested() {
    let tested = include_str!("golden.rs");
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).expect("a readable folder") {
        let name = file.expect("a readable entry").file_name().into_string().expect("a plain name");
        assert!(tested.contains(&format!("golden/{name}\"")), "{name} is not opened by any test: add one");
    }
}

#[test]
fn activity_updated_v1() {
    let event = ActivityUpdated {
        previous: snapshot(1, "Morning run"),
        activity: snapshot(2, "Evening run"),
        changed: vec!["title".into()],
    };
    check(&event, include_str!("golden/activity.updated.v1.json"));
}

#[test]
fn activity_deleted_v1() {
    let event = ActivityDeleted { activity: snapshot(3, "Evening run"), deleted_at: instant("2026-03-12T19:00:00Z") };
    check(&event, include_str!("golden/activity.deleted.v1.json"));
}

#[test]
fn webhook_delivery_requested_v1() {
    let event: EventEnvelope = serde_json::from_str(include_str!("golden/activity.created.v1.json")).expect("decodes");
    let webhook_id = Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0005);
    let requested = WebhookDeliveryRequested { webhook_id, sequence: 1, event };
    check(&requested, include_str!("golden/webhook.delivery.requested.v1.json"));
}

#[test]
fn another_event_or_a_newer_version_is_refused_with_what_to_do() {
    let golden = include_str!("golden/activity.created.v1.json");
    let mut envelope: EventEnvelope = serde_json::from_str(golden).expect("decodes");
    let error = envelope.open::<ActivityDeleted>().expect_err("another event");
    assert!(error.to_string().contains("is a activity.created, not a activity.deleted"), "{error}");
    envelope.version = 99;
    let error = envelope.open::<ActivityCreated>().expect_err("a newer version");
    assert!(error.to_string().contains("has version 99; this program knows up to 2: upgrade it"), "{error}");
    envelope.version = 1;
    envelope.data = bytes::Bytes::from_static(b"{\"activity\":");
    let error = envelope.open::<ActivityCreated>().expect_err("data cut off");
    assert!(error.to_string().contains("(activity.created, version 1) has data that does not parse"), "{error}");
    // What a step leaves alone is still checked: version 1 without an activity is no event of version 2.
    envelope.data = bytes::Bytes::from_static(b"{}");
    let error = envelope.open::<ActivityCreated>().expect_err("no activity");
    assert!(error.to_string().contains("missing field `activity`"), "{error}");
}
