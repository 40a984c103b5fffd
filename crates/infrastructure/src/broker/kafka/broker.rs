use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerCapabilities, IdGenerator, OrderingGuarantee};
use rdkafka::error::KafkaError;

use super::{
    KafkaOptions, KafkaServers, config::Settings, monitor::Monitor, probe::KafkaProbe, publisher::KafkaSender,
    subscriber::KafkaSubscriber, topic,
};
use crate::broker::wave_publisher::WavePublisher;

/// A broker on Apache Kafka.
pub struct KafkaBroker {
    broker: Broker,
}

impl KafkaBroker {
    /// Connects, and makes the topic if it is missing. Fails when no broker can be reached now.
    pub async fn connect(
        servers: KafkaServers,
        options: KafkaOptions,
        ids: Arc<dyn IdGenerator>,
    ) -> Result<Self, KafkaError> {
        let settings = Settings::new(servers, options);
        let monitor = Monitor::start(&settings).await?;
        let facts = topic::facts(&settings).await?;
        let settings = settings.max_payload(facts.max_payload);
        let sender = KafkaSender::new(settings.clone(), monitor.clone())?;
        let probe = KafkaProbe::new(settings.clone())?;
        let broker = Broker {
            name: "kafka",
            capabilities: BrokerCapabilities {
                durability: facts.durability,
                ordering: OrderingGuarantee::PerKey,
                replay: true,
                wildcard: false,
                max_payload: facts.max_payload,
                native_delay: false,
                deduplicates: false,
                spans_processes: true,
                delivers_from_journal: false,
            },
            publisher: WavePublisher::of(sender),
            subscriber: Arc::new(KafkaSubscriber::new(settings, monitor, ids)),
            probe: Arc::new(probe),
        };
        Ok(Self { broker })
    }

    /// Both ends.
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }
}
