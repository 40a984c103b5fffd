use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerCapabilities, Durability, IdGenerator, OrderingGuarantee};
use lapin::uri::AMQPUri;

use super::{
    RabbitMqOptions, error::AnyError, group::Groups, link::Link, probe::RabbitMqProbe, publisher::RabbitMqSender,
    subscriber::RabbitMqSubscriber, topology::Topology,
};
use crate::broker::wave_publisher::WavePublisher;

/// A broker on RabbitMQ.
pub struct RabbitMqBroker {
    broker: Broker,
}

impl RabbitMqBroker {
    /// Connects, and makes the exchanges if they are missing. Fails when the server cannot be reached now.
    pub(super) async fn connect(
        uri: AMQPUri,
        options: RabbitMqOptions,
        ids: Arc<dyn IdGenerator>,
    ) -> Result<Self, AnyError> {
        let options = Arc::new(options);
        let topology = Topology::new(Arc::clone(&options));
        // Three, as a connection that the server takes no events from takes no acknowledgements from it either, and what members tell each other is published too.
        let publishing = Link::open(uri.clone(), Arc::clone(&options), "publishing").await?;
        let consuming = Link::open(uri.clone(), Arc::clone(&options), "consuming").await?;
        let members = Link::open(uri.clone(), Arc::clone(&options), "members").await?;
        topology.declare_exchanges(&publishing.channel().await?).await?;
        let groups = Groups::new(consuming, members, topology.clone(), ids);
        let probe = RabbitMqProbe::new(uri, publishing.clone(), topology.clone());
        let broker = Broker {
            name: "rabbitmq",
            capabilities: BrokerCapabilities {
                // Quorum queues confirm what they have synced to disk.
                durability: Durability::PowerLoss,
                ordering: OrderingGuarantee::PerKey,
                replay: false,
                wildcard: false,
                max_payload: options.max_payload,
                native_delay: false,
                deduplicates: false,
                spans_processes: true,
                delivers_from_journal: false,
            },
            publisher: WavePublisher::of(RabbitMqSender::new(publishing, topology)),
            subscriber: Arc::new(RabbitMqSubscriber::new(groups)),
            probe: Arc::new(probe),
        };
        Ok(Self { broker })
    }

    /// Both ends.
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }
}
