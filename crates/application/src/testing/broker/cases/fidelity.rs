use std::sync::Arc;

use activelog_domain::event::{EventEnvelope, TraceContext};
use bytes::Bytes;
use jiff::Timestamp;
use uuid::Uuid;

use crate::testing::broker::{
    BrokerFixture, Outcome, event,
    scene::{Scene, all, ensure},
};

/// Sends events and compares what arrives, attribute by attribute, so that a failure names the one that changed.
async fn travels(fixture: Arc<dyn BrokerFixture>, sent: Vec<EventEnvelope>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    for event in sent {
        scene.publish(std::slice::from_ref(&event)).await?;
        let got = reader.consume(1).await?.pop().ok_or("nothing arrived")?;
        for (attribute, kept) in [
            ("id", got.id == event.id),
            ("source", got.source == event.source),
            ("type", got.name == event.name),
            ("subject", got.subject == event.subject),
            ("time", got.time == event.time),
            ("datacontenttype", got.content_type == event.content_type),
            ("eventversion", got.version == event.version),
            ("partitionkey", got.partition_key == event.partition_key),
            ("sequence", got.sequence == event.sequence),
            ("correlationid", got.correlation_id == event.correlation_id),
            ("causationid", got.causation_id == event.causation_id),
            ("traceparent and tracestate", got.trace == event.trace),
            ("data", got.data == event.data),
        ] {
            ensure(kept, || format!("{attribute} has changed on the way"))?;
        }
        ensure(got == event, || "the event has changed on the way".to_owned())?;
    }
    reader.close().await
}

/// Every byte value, data that is no text, and no data at all.
pub(crate) async fn binary_data_is_kept(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let payloads: [Vec<u8>; 4] = [(0..=255).collect(), vec![], vec![0; 17], vec![0xff, 0xfe, 0, 0xc3, 0x28]];
    let events = (1..).zip(payloads).map(|(n, data)| {
        let mut event = event("thing.done", "a", n);
        event.content_type = "application/octet-stream".to_owned();
        event.data = Bytes::from(data);
        event
    });
    travels(fixture, events.collect()).await
}

/// A large payload, as large as the broker takes but at most 1 MiB.
pub(crate) async fn one_mebibyte_is_kept(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let size = fixture.broker().await.capabilities.max_payload.min(1 << 20);
    let mut large = event("thing.done", "a", 1);
    large.content_type = "application/octet-stream".to_owned();
    // Without a period that a chunk could have.
    large.data = (0..size).map(|n| (n * 31 % 251) as u8).collect();
    travels(fixture, vec![large]).await
}

/// Every attribute, present and absent.
pub(crate) async fn every_attribute_is_kept(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let plain = event("thing.done", "a", 1);
    let mut full = event("other.thing-done.late_1", "subject-1", u64::from(u32::MAX) + 1);
    full.partition_key = "another-key".to_owned();
    full.source = "https://example.org/activelog?instance=1#a".to_owned();
    full.time = Timestamp::constant(-1, -500_000_000);
    full.content_type = "application/cbor; charset=\"x\"".to_owned();
    full.version = 7;
    full.correlation_id = Uuid::from_u128(u128::MAX);
    full.causation_id = Some(Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_00ca));
    full.trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=1,b=x y"));
    let mut parent_only = event("thing.done", "a", 2);
    parent_only.trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", None);
    travels(fixture, vec![plain, full, parent_only]).await
}

/// Text beyond ASCII in every attribute that may hold it.
pub(crate) async fn unicode_is_kept(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let texts = ["Läufe-äöü", "ランニング", "🏃‍♀️🚴", "e\u{301} \u{202e}abc", "a%20b\"c\\d'e;f=g,h"];
    let events = (1..).zip(texts).map(|(n, text)| {
        let mut event = event("thing.done", text, n);
        event.source = format!("/activelog/{text}");
        event.data = Bytes::from(format!("{{\"title\":{text:?}}}"));
        event
    });
    travels(fixture, events.collect()).await
}
