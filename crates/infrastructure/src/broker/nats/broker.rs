use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerCapabilities, IdGenerator, OrderingGuarantee, Signal};

use super::{
    NatsOptions, NatsPublisher, NatsServers,
    connection::{AnyError, Connection},
    lease_store::NatsLeaseStore,
    log::NatsLog,
    positions::NatsPositions,
};
use crate::broker::partitioned::{GroupLog, LogOptions, LogSubscriber};

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
        let durability = options.durability;
        let connection = Connection::open(servers, options).await?;
        let groups = GroupLog::new(
            Arc::new(NatsLog::new(connection.clone())),
            Arc::new(NatsPositions::new(connection.clone())),
            Arc::new(NatsLeaseStore::new(connection.clone())),
            Signal::new(),
            ids,
            LogOptions::default(),
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
                spans_processes: true,
                delivers_from_journal: false,
            },
            publisher: Arc::new(NatsPublisher::new(connection)),
            subscriber: Arc::new(LogSubscriber::new(Arc::new(groups))),
        };
        Ok(Self { broker })
    }

    /// Both ends.
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }
}
