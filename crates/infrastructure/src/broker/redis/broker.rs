use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerCapabilities, IdGenerator, OrderingGuarantee, Signal};
use redis::{ConnectionInfo, RedisError};
use tokio_util::sync::CancellationToken;

use super::{
    RedisOptions, RedisPublisher, connection::Connection, lease_store::RedisLeaseStore, log::RedisLog,
    positions::RedisPositions, probe::RedisProbe, settings::Settings, watch::watch,
};
use crate::broker::partitioned::{GroupLog, LogOptions, LogSubscriber};

/// A broker on Redis Streams.
pub struct RedisBroker {
    broker: Broker,
}

impl RedisBroker {
    /// Connects. Fails when the server cannot be reached now.
    pub async fn connect(
        info: ConnectionInfo,
        options: RedisOptions,
        ids: Arc<dyn IdGenerator>,
    ) -> Result<Self, RedisError> {
        let max_payload = options.max_payload;
        let connection = Connection::open(info, options).await?;
        let durability = Settings::read(connection.commands()).await?.durability();
        let (news, stop) = (Signal::new(), CancellationToken::new());
        tokio::spawn(watch(connection.clone(), news.clone(), stop.clone()));
        let groups = GroupLog::new(
            Arc::new(RedisLog::new(connection.clone(), stop.drop_guard())),
            Arc::new(RedisPositions(connection.clone())),
            Arc::new(RedisLeaseStore(connection.clone())),
            news.clone(),
            ids,
            LogOptions::default(),
        );
        let broker = Broker {
            name: "redis",
            capabilities: BrokerCapabilities {
                durability,
                ordering: OrderingGuarantee::PerKey,
                replay: true,
                wildcard: false,
                max_payload,
                native_delay: false,
                spans_processes: true,
                delivers_from_journal: false,
            },
            publisher: Arc::new(RedisPublisher::new(connection.clone(), news)),
            subscriber: Arc::new(LogSubscriber::new(Arc::new(groups))),
            probe: Arc::new(RedisProbe(connection)),
        };
        Ok(Self { broker })
    }

    /// Both ends.
    pub fn broker(&self) -> Broker {
        self.broker.clone()
    }
}
