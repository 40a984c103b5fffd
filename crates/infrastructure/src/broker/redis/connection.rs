use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use activelog_application::ports::BrokerHealth;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
    cmd,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};
use tokio_util::task::AbortOnDropHandle;

use super::{RedisOptions, keys::Keys};

/// How often the server is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pause before connecting is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long the system waits for the other end's word that it has what was sent, and how soon it asks whether an idle one is there.
const SILENCE: Duration = Duration::from_secs(10);

/// So many pings in a row without an answer, and the connection is replaced: the driver takes a timeout for a slow server, and would stay with one whose other end is
/// gone without a word.
const PINGS: u32 = 2;

/// The connection in use, until it is replaced.
type Shared = Arc<Mutex<ConnectionManager>>;

/// The connection that commands share. It comes back by itself.
#[derive(Clone)]
pub(super) struct Connection {
    manager: Shared,
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
        let alive = TcpKeepalive::new().with_time(SILENCE).with_interval(SILENCE / 3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(alive).set_user_timeout(SILENCE);
        let client = Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp))?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(options.timeout))
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_max_delay(LONGEST_PAUSE);
        // Once, and without the pauses of the manager: whoever starts without a server is told soon.
        let once = AsyncConnectionConfig::new()
            .set_response_timeout(Some(options.timeout))
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let mut first = client.get_multiplexed_async_connection_with_config(&once).await?;
        let (): () = cmd("PING").query_async(&mut first).await?;
        let mut manager = ConnectionManager::new_with_config(client.clone(), config.clone()).await?;
        introduce(&mut manager).await;
        let (manager, failing) = (Arc::new(Mutex::new(manager)), Arc::default());
        let pinging = ping(Arc::clone(&manager), client.clone(), config, Arc::clone(&failing));
        let pings = AbortOnDropHandle::new(tokio::spawn(pinging));
        let keys = Keys::new(&options.namespace);
        Ok(Self { manager, client, keys, options, failing, _pings: Arc::new(pings) })
    }

    /// A connection of its own for reads that the server may hold for so long.
    pub(super) async fn reader(&self, hold: Duration) -> RedisResult<MultiplexedConnection> {
        // More than the server takes: the driver's own half second would give up reads that are only waiting.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(Some(hold + Duration::from_secs(2)))
            .set_connection_timeout(Some(CONNECT_TIMEOUT));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        introduce(&mut connection).await;
        Ok(connection)
    }

    /// A handle to send commands with.
    pub(super) fn commands(&self) -> ConnectionManager {
        current(&self.manager).clone()
    }

    /// How it is doing.
    pub(super) fn health(&self) -> BrokerHealth {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        failing.clone().map_or(BrokerHealth::Up, BrokerHealth::Degraded)
    }
}

fn current(manager: &Shared) -> MutexGuard<'_, ConnectionManager> {
    manager.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says whose connection it is, for `CLIENT LIST`: what the driver itself says is known since Redis 7.2. Whether the user may.
async fn introduce(connection: &mut (impl ConnectionLike + Send)) -> bool {
    let named: RedisResult<()> = cmd("CLIENT").arg("SETNAME").arg("activelog").query_async(connection).await;
    if let Err(error) = &named {
        tracing::debug!(%error, "this connection to Redis has no name");
    }
    !named.is_err_and(|error| matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension))
}

/// Asks again and again whether the server is there, and notes what it finds.
async fn ping(manager: Shared, client: Client, config: ConnectionManagerConfig, failing: Arc<Mutex<Option<String>>>) {
    let (mut unanswered, mut may_introduce) = (0, true);
    loop {
        let mut pinged = current(&manager).clone();
        let outcome: Result<(), RedisError> = cmd("PING").query_async(&mut pinged).await;
        unanswered = if outcome.is_err() { unanswered + 1 } else { 0 };
        if outcome.is_ok() && may_introduce {
            // The driver may have connected anew since.
            may_introduce = introduce(&mut pinged).await;
        }
        if unanswered >= PINGS
            && let Ok(new) = ConnectionManager::new_with_config(client.clone(), config.clone()).await
        {
            *current(&manager) = new;
            unanswered = 0;
            continue;
        }
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
