use std::{collections::HashSet, time::Duration};

use activelog_application::ports::{BrokerHealth, PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use futures::future::join_all;
use lapin::{
    Channel, Confirmation, ErrorKind, PublisherConfirm, message::BasicReturnMessage, options::BasicPublishOptions,
};
use tokio::time::{Instant, timeout_at};

use super::{channels::Channels, error::AnyError, headers, link::Link, topology::Topology};
use crate::broker::{wave_publisher::WaveSender, waves::Outcome};

/// How long it may take to have the events of a wave on the server's disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes to the exchange.
pub(super) struct RabbitMqSender {
    link: Link,
    topology: Topology,
    channels: Channels,
}

impl RabbitMqSender {
    pub(super) fn new(link: Link, topology: Topology) -> Self {
        let channels = Channels::new(link.clone(), topology.clone());
        Self { link, topology, channels }
    }

    async fn send(&self, channel: &Channel, event: &EventEnvelope) -> Result<PublisherConfirm, PublishError> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let key = Topology::routing_key(event).ok_or_else(|| {
            PublishError::new(PublishErrorKind::Rejected, "its name is longer than a routing key may be")
        })?;
        let publishing = channel.basic_publish(self.topology.events(), key, options, &event.data, headers::of(event));
        publishing.await.map_err(|error| {
            let kind = match error.kind() {
                // Not even begun.
                ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) => {
                    PublishErrorKind::Unavailable
                }
                _ => PublishErrorKind::Unknown,
            };
            PublishError::new(kind, error)
        })
    }
}

/// What the answers of the server mean, and whether its channel has nothing under way any more.
///
/// A returned message stands in some answer, and not always in its own: it is told by its id.
fn judge(events: &[&EventEnvelope], answers: Vec<Result<Confirmation, PublishError>>) -> (Vec<Outcome>, bool) {
    let in_order = !answers.iter().any(Result::is_err);
    let returned_id = |message: &BasicReturnMessage| message.properties.message_id().as_ref().map(ToString::to_string);
    let mut returned = HashSet::new();
    let mut answered = Vec::with_capacity(answers.len());
    for answer in answers {
        answered.push(answer.and_then(|confirmation| {
            let stored = confirmation.is_ack();
            returned.extend(confirmation.take_message().map(|message| returned_id(&message)));
            match stored {
                true => Ok(()),
                false => Err(PublishError::new(PublishErrorKind::Unknown, "RabbitMQ has not stored it in every queue")),
            }
        }));
    }
    let ids: HashSet<_> = events.iter().map(|event| Some(event.id.to_string())).collect();
    let strange = returned.iter().any(|id| !ids.contains(id));
    let outcomes = events.iter().zip(answered).map(|(event, answer)| {
        if returned.contains(&Some(event.id.to_string())) {
            return Err(PublishError::new(
                PublishErrorKind::Unavailable,
                "no consumer group has a queue for it; it is taken as soon as one has subscribed",
            ));
        }
        match strange {
            true => Err(PublishError::new(PublishErrorKind::Unknown, "RabbitMQ returned what nobody has sent")),
            false => answer,
        }
    });
    (outcomes.collect(), in_order)
}

fn all(events: &[&EventEnvelope], reason: impl Fn() -> AnyError) -> Vec<Outcome> {
    events.iter().map(|_| Err(PublishError::new(PublishErrorKind::Unavailable, reason()))).collect()
}

fn late() -> PublishError {
    PublishError::new(PublishErrorKind::Unknown, "RabbitMQ has not answered in time")
}

#[async_trait]
impl WaveSender for RabbitMqSender {
    const WAVE: usize = 1_000;

    fn max_payload(&self) -> usize {
        self.link.options.max_payload
    }

    async fn publish_wave(&self, events: &[&EventEnvelope]) -> Vec<Outcome> {
        if self.link.is_blocked() {
            // What is sent now would wait in the connection, and be stored at some later time.
            return all(events, || "RabbitMQ takes nothing at the moment: an alarm for memory or disk".into());
        }
        let deadline = Instant::now() + PATIENCE;
        let lent = match timeout_at(deadline, self.channels.lend()).await {
            Ok(Ok(lent)) => lent,
            Ok(Err(error)) => return all(events, || error.to_string().into()),
            Err(_) => return all(events, || "no channel could be had in time".into()),
        };
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            sent.push(match timeout_at(deadline, self.send(&lent.channel, event)).await {
                Ok(sent) => sent,
                Err(_) => Err(late()),
            });
        }
        let confirmed = join_all(sent.into_iter().map(async |sent| match timeout_at(deadline, sent?).await {
            Ok(answer) => answer.map_err(|error| PublishError::new(PublishErrorKind::Unknown, error)),
            Err(_) => Err(late()),
        }));
        let (outcomes, in_order) = judge(events, confirmed.await);
        if in_order {
            self.channels.keep(lent);
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        self.link.health()
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.link.close().await;
        Ok(())
    }
}
