use std::time::Duration;

use activelog_application::ports::{BrokerHealth, EventPublisher, PublishError, PublishErrorKind, partition_of};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use redis::{Pipeline, pipe};
use tokio_util::task::TaskTracker;

use super::{
    connection::Connection,
    error::publish_error,
    log::{ATTRIBUTE, DATA},
};
use crate::broker::{
    waves::{Outcome, Waves, closed, too_large},
    wire,
};

/// The most events on the way at once.
const WAVE: usize = 1_000;

/// How much longer than a command a publish may take: a connection may have to be made first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Adds events to the streams.
pub struct RedisPublisher {
    connection: Connection,
    /// Calls under way; closed with the publisher.
    calls: TaskTracker,
}

impl RedisPublisher {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, calls: TaskTracker::new() }
    }

    async fn publish_wave(&self, events: &[&EventEnvelope]) -> Vec<Outcome> {
        let mut pipeline = pipe();
        // Whatever makes one fail, no memory or a wrong key, is found before any is done: all or none.
        pipeline.atomic();
        events.iter().for_each(|event| self.add(&mut pipeline, event));
        let mut commands = self.connection.commands();
        let sent = pipeline.query_async::<Vec<String>>(&mut commands);
        match tokio::time::timeout(self.connection.options.timeout + PATIENCE, sent).await {
            Ok(Ok(ids)) => ids.into_iter().map(|_| Ok(())).collect(),
            Ok(Err(error)) => events.iter().map(|_| Err(publish_error(error.clone()))).collect(),
            Err(_) => {
                let lost = || PublishError::new(PublishErrorKind::Unknown, "Redis has not answered in time");
                events.iter().map(|_| Err(lost())).collect()
            }
        }
    }

    fn add(&self, pipeline: &mut Pipeline, event: &EventEnvelope) {
        let add = pipeline.cmd("XADD").arg(self.connection.keys.stream(partition_of(&event.partition_key))).arg("0-*");
        for (name, value) in wire::attributes(event) {
            add.arg(format!("{ATTRIBUTE}{name}")).arg(value);
        }
        add.arg(DATA).arg(event.data.as_ref());
    }
}

#[async_trait]
impl EventPublisher for RedisPublisher {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        let outcomes = self.publish_batch(std::slice::from_ref(event)).await;
        outcomes.into_iter().next().unwrap_or(Ok(()))
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Outcome> {
        // Counted before looking: `close` waits for whoever has still seen it open.
        let _call = self.calls.token();
        if self.calls.is_closed() {
            return events.iter().map(|_| Err(closed())).collect();
        }
        let most = self.connection.options.max_payload;
        let mut waves = Waves::of_whole(events, WAVE, |event| too_large(event, most));
        while let Some(wave) = waves.next() {
            waves.settle(self.publish_wave(&wave).await);
        }
        waves.outcomes()
    }

    fn health(&self) -> BrokerHealth {
        if self.calls.is_closed() { BrokerHealth::Closed } else { self.connection.health() }
    }

    async fn close(&self) -> Result<(), PublishError> {
        self.calls.close();
        self.calls.wait().await;
        Ok(())
    }
}
