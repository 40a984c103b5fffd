use std::future::IntoFuture;

use activelog_application::ports::{BrokerHealth, PublishError, PublishErrorKind, partition_of};
use activelog_domain::event::EventEnvelope;
use async_nats::jetstream::{context::PublishAckFuture, message::PublishMessage};
use async_trait::async_trait;
use futures::future::join_all;
use tokio::time::{Instant, timeout_at};

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
        if !is_subject(&event.name) {
            let reason = "its type cannot be part of a NATS subject: no spaces, no *, no > and nothing between dots";
            return Err(PublishError::new(PublishErrorKind::Rejected, reason));
        }
        let subject = self.connection.subject(partition_of(&event.partition_key), &event.name);
        self.connection.jetstream.send_publish(subject, message).await.map_err(publish_error)
    }
}

/// Whether a type can be part of a subject. What cannot be never will: it must not be taken for a server that is away.
fn is_subject(name: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c))
    };
    name.split('.').all(word)
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
        let deadline = Instant::now() + self.connection.options.timeout;
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            // One deadline for all: a driver that takes in nothing must not be waited for once for each.
            let unsent = |_| PublishError::new(PublishErrorKind::Unavailable, "NATS takes in nothing");
            sent.push(timeout_at(deadline, self.send(event)).await.unwrap_or_else(|elapsed| Err(unsent(elapsed))));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_no_subject_is_told_from_one_that_is() {
        assert!(["activity.created", "a", "com.example/order-placed"].into_iter().all(is_subject));
        assert!(!["", "order placed", "a..b", ".a", "a.", "a.*", ">", "a\nb", "a\u{0}"].into_iter().any(is_subject));
    }
}
