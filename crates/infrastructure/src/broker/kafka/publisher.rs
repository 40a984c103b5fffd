use std::{sync::Arc, time::Duration};

use activelog_application::ports::{BrokerHealth, PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use rdkafka::{
    error::KafkaError,
    producer::{FutureRecord, Producer, future_producer::DeliveryFuture},
    types::RDKafkaErrorCode,
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    config::Settings,
    error::{is_fatal, is_missing, publish_error},
    headers,
    monitor::Monitor,
    producer::{Current, Producers},
};
use crate::broker::{wave_publisher::WaveSender, waves::Outcome};

/// How much longer than the driver a publish waits for the driver's answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pause when the driver's queue is full.
const FULL: Duration = Duration::from_millis(2);

type Record<'a> = FutureRecord<'a, str, [u8]>;

/// Adds events to the topic.
pub(super) struct KafkaSender {
    settings: Settings,
    topic: String,
    monitor: Monitor,
    producers: Arc<Producers>,
}

impl KafkaSender {
    pub(super) fn new(settings: Settings, monitor: Monitor) -> Result<Self, KafkaError> {
        let producers = Arc::new(Producers::new(settings.clone())?);
        let topic = settings.topic();
        Ok(Self { settings, topic, monitor, producers })
    }

    fn record<'a>(&'a self, event: &'a EventEnvelope) -> Record<'a> {
        FutureRecord::to(&self.topic)
            .key(event.partition_key.as_str())
            .payload(event.data.as_ref())
            .headers(headers::of(event))
    }

    /// Hands an event to the driver, once it has room: those behind wait, so that none overtakes.
    async fn send(
        &self,
        current: &Current,
        mut record: Record<'_>,
        deadline: Instant,
    ) -> Result<DeliveryFuture, KafkaError> {
        loop {
            match current.producer.send_result(record) {
                Ok(answer) => return Ok(answer),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    record = back;
                    sleep(FULL).await;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    /// After a failure: a producer that has failed for good is replaced, and a topic that is gone made anew.
    fn look_after(&self, current: &Current, outcomes: &[Result<(), KafkaError>]) {
        let fatal = current.producer.client().fatal_error();
        if let Some((code, reason)) = &fatal {
            tracing::warn!(?code, reason, "the Kafka producer has failed for good: going on with a new one");
        }
        if fatal.is_some() || outcomes.iter().any(|outcome| outcome.as_ref().is_err_and(is_fatal)) {
            self.producers.replace(current);
        }
        let codes = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()?.rdkafka_error_code());
        if codes.into_iter().any(|code| is_missing(code) || code == RDKafkaErrorCode::MessageTimedOut) {
            self.monitor.nudge();
        }
    }
}

async fn answered(answer: DeliveryFuture, deadline: Instant) -> Result<(), KafkaError> {
    match timeout_at(deadline, answer).await {
        Ok(Ok(Ok(_))) => Ok(()),
        Ok(Ok(Err((error, _)))) => Err(error),
        Ok(Err(_)) => Err(KafkaError::Canceled),
        Err(_) => Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)),
    }
}

#[async_trait]
impl WaveSender for KafkaSender {
    const WAVE: usize = 4_096;

    fn max_payload(&self) -> usize {
        self.settings.options.max_payload
    }

    async fn publish_wave(&self, events: &[&EventEnvelope]) -> Vec<Outcome> {
        let current = self.producers.current();
        let deadline = Instant::now() + self.settings.options.timeout;
        // All made before the first is handed over: the driver sends what it has, and the less comes at a time the more requests it takes.
        let records: Vec<_> = events.iter().map(|event| self.record(event)).collect();
        let mut sent = Vec::with_capacity(events.len());
        for record in records {
            sent.push(self.send(&current, record, deadline).await);
        }
        let mut outcomes = Vec::with_capacity(sent.len());
        for sent in sent {
            let answered = match sent {
                Ok(answer) => answered(answer, deadline + PATIENCE).await,
                Err(error) => Err(error),
            };
            outcomes.push(answered);
        }
        if outcomes.iter().any(Result::is_err) {
            self.look_after(&current, &outcomes);
        }
        outcomes.into_iter().map(|outcome| outcome.map_err(publish_error)).collect()
    }

    fn health(&self) -> BrokerHealth {
        self.monitor.health()
    }

    async fn close(&self) -> Result<(), PublishError> {
        // What dropped calls have left behind.
        let (producers, timeout) = (Arc::clone(&self.producers), self.settings.options.timeout);
        let flushed = tokio::task::spawn_blocking(move || producers.flush(timeout)).await;
        let flushed = flushed.unwrap_or(Err(KafkaError::Canceled));
        flushed.map_err(|error| PublishError::new(PublishErrorKind::Unknown, error))
    }
}
