use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    config::FromClientConfigAndContext,
    error::KafkaResult,
    producer::{FutureProducer, Producer},
};

use super::{config::Settings, context::LogContext, off_thread::OffThread};

/// A producer of the driver, and the how manyth it is.
#[derive(Clone)]
pub(super) struct Current {
    pub(super) producer: OffThread<FutureProducer<LogContext>>,
    generation: u64,
}

/// The producer in use. One that has failed for good is replaced.
pub(super) struct Producers {
    settings: Settings,
    current: Mutex<Current>,
}

impl Producers {
    pub(super) fn new(settings: Settings) -> KafkaResult<Self> {
        let current = Mutex::new(Current { producer: make(&settings)?, generation: 1 });
        Ok(Self { settings, current })
    }

    pub(super) fn current(&self) -> Current {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new one in the place of `failed`, unless that has been done.
    pub(super) fn replace(&self, failed: &Current) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.generation != failed.generation {
            return;
        }
        match make(&self.settings) {
            Ok(producer) => *current = Current { producer, generation: failed.generation + 1 },
            Err(error) => tracing::warn!(%error, "a new Kafka producer cannot be made; the next publish tries again"),
        }
    }

    /// Waits until everything has been answered for. Blocks.
    pub(super) fn flush(&self, timeout: Duration) -> KafkaResult<()> {
        self.current().producer.flush(timeout)
    }
}

fn make(settings: &Settings) -> KafkaResult<OffThread<FutureProducer<LogContext>>> {
    FutureProducer::from_config_and_context(&settings.producer(), LogContext).map(OffThread::new)
}
