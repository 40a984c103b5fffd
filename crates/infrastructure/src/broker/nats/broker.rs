use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Broker, BrokerCapabilities, Durability, IdGenerator, OrderingGuarantee, Signal};

use async_nats::jetstream::stream::StorageType;

use super::{
    NatsOptions, NatsServers,
    connection::{AnyError, Connection},
    lease_store::NatsLeaseStore,
    log::NatsLog,
    positions::NatsPositions,
    probe::NatsProbe,
    publisher::NatsSender,
};
use crate::broker::{
    partitioned::{GroupLog, LogOptions, LogSubscriber},
    wave_publisher::WavePublisher,
};

/// Each write is a message that the server syncs by itself, beside those of publishers.
const POSITION_PAUSE: Duration = Duration::from_millis(250);

/// A broker on NATS JetStream.
pub struct NatsBroker {
    broker: Broker,
}

impl NatsBroker {
    /// Connects to one of these servers, and makes what is missing there. Fails when none can be reached now.
    pub async fn connect(
        servers: NatsServers,
        options: NatsOptions,
        ids: Arc<dyn IdGenerator>,
    ) -> Result<Self, AnyError> {
        // Unless told otherwise, it syncs its files every two minutes.
        let declared = options.durability.unwrap_or(Durability::ProcessCrash);
        let connection = Connection::open(servers, options).await?;
        let durability = match connection.stream().await?.cached_info().config.storage {
            StorageType::File => declared,
            StorageType::Memory => Durability::None,
        };
        let groups = GroupLog::new(
            Arc::new(NatsLog::new(connection.clone())),
            Arc::new(NatsPositions::new(connection.clone())),
            Arc::new(NatsLeaseStore::new(connection.clone())),
            Signal::new(),
            ids,
            LogOptions { position_pause: POSITION_PAUSE, ..LogOptions::default() },
        );
        let broker = Broker {
            name: "nats",
            capabilities: BrokerCapabilities {
                durability,
                ordering: OrderingGuarantee::PerKey,
                replay: true,
                wildcard: false,
                max_payload: connection.max_payload(),
                native_delay: false,
                deduplicates: true,
                spans_processes: true,
                delivers_from_journal: false,
            },
            publisher: WavePublisher::of(NatsSender::new(connection.clone())),
            subscriber: Arc::new(LogSubscriber::new(Arc::new(groups))),
            probe: Arc::new(NatsProbe(connection)),
        };
        Ok(Self { broker })
    }

    /// Both ends.
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }
}
