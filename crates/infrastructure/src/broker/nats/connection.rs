use std::{
    error::Error,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_application::ports::{BrokerHealth, Partition};
use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, ServerInfo,
    connection::State,
    jetstream::{
        self, Context,
        context::ContextBuilder,
        kv::Store,
        stream::{DiscardPolicy, StorageType, Stream},
    },
};
use tokio::sync::watch;

use super::{NatsLogin, NatsOptions, NatsServers};

/// How often the server has to show that it is there. The driver's own minute would leave a server that stopped unnoticed for as long.
const PING_INTERVAL: Duration = Duration::from_secs(4);

/// How many messages may be on the way, of all waves together: more than all partitions of a relay publish at once. A wave takes answers once all of it is sent, so waves that
/// wait to send must not wait for each other.
const ON_THE_WAY: usize = 65_536;

/// The longest pause before connecting is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What went wrong with the connection or what stands behind it.
pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The connection. It comes back by itself.
#[derive(Clone)]
pub(super) struct Connection {
    client: Client,
    pub(super) jetstream: Context,
    pub(super) options: NatsOptions,
    failing: Arc<Mutex<Option<String>>>,
    /// How often it has been connected.
    connected: watch::Receiver<u64>,
}

impl Connection {
    /// Connects, and makes stream and bucket if they are missing.
    pub(super) async fn open(servers: NatsServers, options: NatsOptions) -> Result<Self, AnyError> {
        let connection = Self::reach(servers, options).await?;
        connection.stream().await?;
        connection.bucket().await?;
        Ok(connection)
    }

    /// Connects, and makes nothing.
    pub(super) async fn reach(servers: NatsServers, options: NatsOptions) -> Result<Self, AnyError> {
        let failing = Arc::<Mutex<Option<String>>>::default();
        let noted = Arc::clone(&failing);
        let (connects, connected) = watch::channel(0);
        let settings = match servers.login {
            Some(NatsLogin::User(user, password)) => ConnectOptions::with_user_and_password(user, password),
            Some(NatsLogin::Token(token)) => ConnectOptions::with_token(token),
            None => ConnectOptions::new(),
        };
        let client = settings
            .name("activelog")
            .require_tls(servers.tls)
            .ping_interval(PING_INTERVAL)
            .connection_timeout(options.timeout)
            .request_timeout(Some(options.timeout))
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                note(&noted, &event);
                if matches!(event, Event::Connected) {
                    connects.send_modify(|times| *times += 1);
                }
                std::future::ready(())
            })
            .connect(servers.addresses)
            .await
            .map_err(explain)?;
        let jetstream =
            ContextBuilder::new().timeout(options.timeout).max_ack_inflight(ON_THE_WAY).build(client.clone());
        Ok(Self { client, jetstream, options, failing, connected })
    }

    /// The stream; made if it is missing.
    pub(super) async fn stream(&self) -> Result<Stream, AnyError> {
        let options = &self.options;
        let config = jetstream::stream::Config {
            name: options.namespace.clone(),
            description: Some("Events of activelog".to_owned()),
            subjects: vec![format!("{}.events.>", options.namespace)],
            // A full stream refuses what is new; it never drops what nobody has taken yet.
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            max_age: options.max_age,
            num_replicas: options.replicas,
            duplicate_window: options.duplicate_window,
            allow_direct: true,
            ..Default::default()
        };
        Ok(self.jetstream.get_or_create_stream(config).await?)
    }

    /// The name of the bucket of leases and positions.
    pub(super) fn bucket_name(&self) -> String {
        format!("{}-groups", self.options.namespace)
    }

    /// The bucket of leases and positions; made if it is missing.
    pub(super) async fn bucket(&self) -> Result<Store, AnyError> {
        let bucket = self.bucket_name();
        if let Ok(store) = self.jetstream.get_key_value(&bucket).await {
            return Ok(store);
        }
        let config = jetstream::kv::Config {
            bucket,
            description: "How far the consumer groups of activelog are".to_owned(),
            history: 1,
            storage: StorageType::File,
            num_replicas: self.options.replicas,
            ..Default::default()
        };
        Ok(self.jetstream.create_key_value(config).await?)
    }

    /// The subject of an event.
    pub(super) fn subject(&self, partition: Partition, name: &str) -> String {
        format!("{}.events.{}.{name}", self.options.namespace, partition.0)
    }

    /// The most data that an event may have: what the server takes, less room for its headers.
    pub(super) fn max_payload(&self) -> usize {
        const HEADERS: usize = 8 << 10;
        self.client.server_info().max_payload.saturating_sub(HEADERS)
    }

    /// How many bytes the server may send a reader ahead. One message of the largest size has to fit, or it would stand in the way of all behind it.
    pub(super) fn ahead_bytes(&self) -> usize {
        const AHEAD: usize = 2 << 20;
        AHEAD.max(self.client.server_info().max_payload.saturating_mul(2))
    }

    /// What the server has said of itself when it was connected.
    pub(super) fn server_info(&self) -> ServerInfo {
        self.client.server_info()
    }

    /// Whether there is a server to talk to at this moment.
    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// How often it has been connected. A server that is back may have forgotten whatever it does not keep in files.
    pub(super) fn connected(&self) -> watch::Receiver<u64> {
        self.connected.clone()
    }

    /// How it is doing.
    pub(super) fn health(&self) -> BrokerHealth {
        if self.is_up() {
            return BrokerHealth::Up;
        }
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        BrokerHealth::Degraded(failing.unwrap_or_else(|| "not connected to NATS".to_owned()))
    }
}

/// Doubling, capped, jittered.
fn pause(attempts: usize) -> Duration {
    let step = Duration::from_millis(50).saturating_mul(1 << attempts.min(6)).min(LONGEST_PAUSE);
    step.mul_f64(0.5 + fastrand::f64() / 2.0)
}

fn note(failing: &Mutex<Option<String>>, event: &Event) {
    let reason = match event {
        Event::Connected => None,
        Event::Disconnected | Event::ClientError(_) | Event::ServerError(_) => Some(event.to_string()),
        _ => return,
    };
    let mut failing = failing.lock().unwrap_or_else(PoisonError::into_inner);
    match (&*failing, &reason) {
        (None, Some(reason)) => tracing::warn!(reason, "NATS: something is wrong; trying again until it works"),
        (Some(_), None) => tracing::info!("connected to NATS again"),
        _ => {}
    }
    *failing = reason;
}

/// What it means and what to do, where the driver's message does not say.
fn explain(error: async_nats::ConnectError) -> AnyError {
    match error.kind() {
        ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
            format!("{error}: user or password are wrong").into()
        }
        // The driver says `IO error` before what went wrong.
        ConnectErrorKind::Io => match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
            Some(source) => Box::new(io::Error::new(source.kind(), source.to_string())),
            None => error.source().map_or_else(|| error.to_string(), ToString::to_string).into(),
        },
        ConnectErrorKind::TimedOut => Box::new(io::Error::new(io::ErrorKind::TimedOut, error)),
        _ => Box::new(error),
    }
}
