//! Envelopes as they are received: CloudEvents JSON, from a broker, a table or a webhook's queue.

use std::fmt::Debug;

use activelog_domain::{
    activity::{ActivityCreated, ActivityDeleted, ActivitySnapshot, ActivityUpdated},
    event::{DomainEvent, EventEnvelope, EventMetadata, JSON},
    statistics::Period,
    webhook::WebhookDeliveryRequested,
};

/// The input is an envelope, or is refused. What decodes encodes to something that decodes to the same, the event in it too, whatever
/// version it was published in.
pub(crate) fn check(input: &[u8]) {
    let Ok(envelope) = serde_json::from_slice::<EventEnvelope>(input) else { return };
    let text = travels_unchanged(&envelope);
    assert!(text.len() <= 2 * input.len() + 1_024, "{} bytes have become {}", input.len(), text.len());
    let opened = [
        opens::<ActivityCreated>(&envelope, |event| figures_hold(&event.activity)),
        opens::<ActivityUpdated>(&envelope, |event| {
            figures_hold(&event.previous);
            figures_hold(&event.activity);
        }),
        opens::<ActivityDeleted>(&envelope, |event| figures_hold(&event.activity)),
        opens::<WebhookDeliveryRequested>(&envelope, |event| drop(travels_unchanged(&event.event))),
    ];
    assert!(opened.into_iter().filter(|opened| *opened).count() <= 1, "it is two events at once");
}

fn travels_unchanged(envelope: &EventEnvelope) -> String {
    let text = serde_json::to_string(envelope).expect("an envelope is written");
    let back: EventEnvelope = serde_json::from_str(&text).expect("what was written is read");
    assert_eq!(&back, envelope, "as {text}");
    text
}

/// Whether the envelope holds this event. If so, it is sealed in its newest version and comes back the same.
fn opens<E: DomainEvent + PartialEq + Debug>(envelope: &EventEnvelope, holds: impl Fn(&E)) -> bool {
    let event = match envelope.open::<E>() {
        Ok(event) => event,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert!(envelope.name == E::NAME && envelope.content_type == JSON, "{envelope:?}");
    assert!((1..=E::VERSION).contains(&envelope.version), "version {}", envelope.version);
    holds(&event);
    let metadata = EventMetadata {
        id: envelope.id,
        time: envelope.time,
        correlation_id: envelope.correlation_id,
        causation_id: envelope.causation_id,
        trace: envelope.trace.clone(),
    };
    let sealed = EventEnvelope::seal(&event, metadata).expect("an event is written");
    assert_eq!(sealed.version, E::VERSION);
    assert_eq!(sealed.sequence, event.aggregate().sequence);
    travels_unchanged(&sealed);
    assert_eq!(sealed.open::<E>().expect("what was sealed opens"), event);
    true
}

/// What handlers work out from a snapshot: within the limits of an activity, or refused.
fn figures_hold(snapshot: &ActivitySnapshot) {
    if let Ok(figures) = snapshot.figures() {
        assert_eq!(figures.activities, 1);
        assert!((1..=43_200).contains(&figures.duration_minutes), "{figures:?}");
        assert!((0..=100_000_000).contains(&figures.distance_metres), "{figures:?}");
        assert!((0..=i64::from(u32::MAX)).contains(&figures.calories_burned), "{figures:?}");
        assert!((figures + -figures).is_zero());
    }
    if let Ok(effort) = snapshot.effort() {
        assert_eq!(effort.activity_type.as_str().len(), snapshot.activity_type.trim().len());
    }
    for period in Period::ALL {
        let (day, start) = (snapshot.day(), period.start(snapshot.day()));
        assert!(start <= day && period.start(start) == start, "{day} is in the {} of {start}", period.as_str());
    }
}
