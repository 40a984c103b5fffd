use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_application::ports::BrokerHealth;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    cmd,
};
use tokio_util::task::AbortOnDropHandle;

use super::{RedisOptions, keys::Keys};

/// How often the server is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause before connecting is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The connection that commands share. It comes back by itself.
#[derive(Clone)]
pub(super) struct Connection {
    manager: ConnectionManager,
    client: Client,
    pub(super) keys: Keys,
    pub(super) options: RedisOptions,
    failing: Arc<Mutex<Option<String>>>,
    _pings: Arc<AbortOnDropHandle<()>>,
}

impl Connection {
    /// Connects. Fails when the server does not answer now.
    pub(super) async fn open(info: ConnectionInfo, options: RedisOptions) -> RedisResult<Self> {
        let settings = info.redis_settings().clone().set_lib_name("activelog", env!("CARGO_PKG_VERSION"));
        let client = Client::open(info.set_redis_settings(settings))?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(options.timeout))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_max_delay(LONGEST_PAUSE);
        let mut manager = ConnectionManager::new_with_config(client.clone(), config).await?;
        let (): () = cmd("PING").query_async(&mut manager).await?;
        let failing = Arc::default();
        let pings = AbortOnDropHandle::new(tokio::spawn(ping(manager.clone(), Arc::clone(&failing))));
        let keys = Keys::new(&options.namespace);
        Ok(Self { manager, client, keys, options, failing, _pings: Arc::new(pings) })
    }

    /// A connection of its own for reads that the server may hold for so long.
    pub(super) async fn reader(&self, hold: Duration) -> RedisResult<MultiplexedConnection> {
        // More than the server takes: the driver's own half second would give up reads that are only waiting.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(hold + Duration::from_secs(2)))
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A handle to send commands with.
    pub(super) fn commands(&self) -> ConnectionManager {
        self.manager.clone()
    }

    /// How it is doing.
    pub(super) fn health(&self) -> BrokerHealth {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.clone().map_or(BrokerHealth::Up, BrokerHealth::Degraded)
    }
}

/// Asks again and again whether the server is there, and notes what it finds.
async fn ping(mut manager: ConnectionManager, failing: Arc<Mutex<Option<String>>>) {
    loop {
        let outcome: Result<(), RedisError> = cmd("PING").query_async(&mut manager).await;
        let reason = outcome.err().map(|error| format!("Redis does not answer: {error}"));
        let before = std::mem::replace(&mut *failing.lock().unwrap_or_else(PoisonError::into_inner), reason.clone());
        match (&before, &reason) {
            (None, Some(reason)) => tracing::warn!(reason, "lost Redis; trying again until it answers"),
            (Some(_), None) => tracing::info!("Redis answers again"),
            _ => {}
        }
        tokio::time::sleep(PING_INTERVAL).await;
    }
}
