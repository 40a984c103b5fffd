use std::future::IntoFuture;

use activelog_application::ports::{BrokerHealth, PublishError, PublishErrorKind, partition_of};
use activelog_domain::event::EventEnvelope;
use async_nats::jetstream::{context::PublishAckFuture, message::PublishMessage};
use async_trait::async_trait;
use futures::future::join_all;

use super::{connection::Connection, error::publish_error, headers};
use crate::broker::{wave_publisher::WaveSender, waves::Outcome};

/// Publishes to the stream.
pub(super) struct NatsSender {
    connection: Connection,
}

impl NatsSender {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    async fn send(&self, event: &EventEnvelope) -> Result<PublishAckFuture, PublishError> {
        let message = PublishMessage::build()
            .headers(headers::of(event))
            .message_id(event.id.to_string())
            .payload(event.data.clone());
        let subject = self.connection.subject(partition_of(&event.partition_key), &event.name);
        self.connection.jetstream.send_publish(subject, message).await.map_err(publish_error)
    }
}

#[async_trait]
impl WaveSender for NatsSender {
    const WAVE: usize = 1_000;

    fn max_payload(&self) -> usize {
        self.connection.max_payload()
    }

    async fn publish_wave(&self, events: &[&EventEnvelope]) -> Vec<Outcome> {
        // While it is not connected the driver keeps what it is given, and gives it to the server at some later time.
        if !self.connection.is_up() {
            let away = || PublishError::new(PublishErrorKind::Unavailable, "not connected to NATS");
            return events.iter().map(|_| Err(away())).collect();
        }
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            sent.push(self.send(event).await);
        }
        let answered = sent.into_iter().map(async |sent| match sent {
            Ok(answer) => answer.into_future().await.map(drop).map_err(publish_error),
            Err(error) => Err(error),
        });
        let outcomes: Vec<Outcome> = join_all(answered).await;
        if outcomes.iter().any(|outcome| outcome.as_ref().is_err_and(|e| e.kind == PublishErrorKind::Unavailable)) {
            // It may have been deleted: whoever publishes next finds it there again.
            if let Err(error) = self.connection.stream().await {
                tracing::debug!(error, "the stream cannot be looked at");
            }
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        self.connection.health()
    }
}
