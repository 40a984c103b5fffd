use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Broker, BrokerCapabilities, IdGenerator, OrderingGuarantee, Signal};
use redis::{ConnectionInfo, RedisError};

use super::{
    RedisOptions, connection::Connection, lease_store::RedisLeaseStore, log::RedisLog, positions::RedisPositions,
    probe::RedisProbe, publisher::RedisSender, settings::Settings,
};
use crate::broker::{
    partitioned::{GroupLog, LogOptions, LogSubscriber},
    wave_publisher::WavePublisher,
};

/// The server syncs its file for every write of positions, before anybody gets an answer: a few dozen a second are enough.
const POSITION_PAUSE: Duration = Duration::from_millis(25);

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
        let groups = GroupLog::new(
            Arc::new(RedisLog::new(connection.clone())),
            Arc::new(RedisPositions(connection.clone())),
            Arc::new(RedisLeaseStore(connection.clone())),
            Signal::new(),
            ids,
            LogOptions { position_pause: POSITION_PAUSE, ..LogOptions::default() },
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
                deduplicates: false,
                spans_processes: true,
                delivers_from_journal: false,
            },
            publisher: WavePublisher::of(RedisSender::new(connection.clone())),
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
