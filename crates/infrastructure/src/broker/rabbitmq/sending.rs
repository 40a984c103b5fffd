use activelog_application::ports::{PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;
use lapin::{Channel, Confirmation, ErrorKind, PublisherConfirm, options::BasicPublishOptions};

use super::{answers::Answer, headers, topology::Topology};

/// Sends an event to the exchange. Who has it sent is told when it goes to no queue.
pub(super) async fn send(
    channel: &Channel,
    topology: &Topology,
    event: &EventEnvelope,
) -> Result<PublisherConfirm, PublishError> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let key = Topology::routing_key(event)
        .ok_or_else(|| PublishError::new(PublishErrorKind::Rejected, "its name is longer than a routing key may be"))?;
    let publishing = channel.basic_publish(topology.events(), key, options, &event.data, headers::of(event));
    publishing.await.map_err(|error| {
        let kind = match error.kind() {
            // Not even begun.
            ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => PublishErrorKind::Unavailable,
            _ => PublishErrorKind::Unknown,
        };
        PublishError::new(kind, error)
    })
}

/// What the driver says of an event that was sent.
pub(super) fn answered(answer: lapin::Result<Confirmation>) -> Answer {
    answer.map(Into::into).map_err(|error| PublishError::new(PublishErrorKind::Unknown, error))
}
