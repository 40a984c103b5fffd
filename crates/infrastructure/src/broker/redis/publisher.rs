use std::time::Duration;

use activelog_application::ports::{BrokerHealth, PublishError, PublishErrorKind, partition_of};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use redis::{Pipeline, RedisResult, pipe};

use super::{
    connection::Connection,
    error::publish_error,
    log::{ATTRIBUTE, DATA},
};
use crate::broker::{wave_publisher::WaveSender, waves::Outcome, wire};

/// How much longer than a command a publish may take: a connection may have to be made first.
const PATIENCE: Duration = Duration::from_secs(5);

/// Adds events to the streams.
pub(super) struct RedisSender {
    connection: Connection,
}

impl RedisSender {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    fn add(&self, pipeline: &mut Pipeline, event: &EventEnvelope) {
        let add = pipeline.cmd("XADD").arg(self.connection.keys.stream(partition_of(&event.partition_key))).arg("0-*");
        for (name, value) in wire::attributes(event) {
            add.arg(format!("{ATTRIBUTE}{name}")).arg(value.as_ref());
        }
        add.arg(DATA).arg(event.data.as_ref());
    }
}

#[async_trait]
impl WaveSender for RedisSender {
    const WAVE: usize = 1_000;
    const ALL_OR_NONE: bool = true;

    fn max_payload(&self) -> usize {
        self.connection.options.max_payload
    }

    async fn publish_wave(&self, events: &[&EventEnvelope]) -> Vec<Outcome> {
        let mut pipeline = pipe();
        // Of a stream all or none: no memory is found before any is done, and what a stream refuses, a key that is none or an id ahead of ours, it refuses of all of them.
        pipeline.atomic().ignore_errors();
        events.iter().for_each(|event| self.add(&mut pipeline, event));
        let mut commands = self.connection.commands();
        let sent = pipeline.query_async::<Vec<RedisResult<String>>>(&mut commands);
        match tokio::time::timeout(self.connection.options.timeout + PATIENCE, sent).await {
            Ok(Ok(ids)) => ids.into_iter().map(|id| id.map(drop).map_err(publish_error)).collect(),
            Ok(Err(error)) => events.iter().map(|_| Err(publish_error(error.clone()))).collect(),
            Err(_) => {
                let lost = || PublishError::new(PublishErrorKind::Unknown, "Redis has not answered in time");
                events.iter().map(|_| Err(lost())).collect()
            }
        }
    }

    fn health(&self) -> BrokerHealth {
        self.connection.health()
    }
}
