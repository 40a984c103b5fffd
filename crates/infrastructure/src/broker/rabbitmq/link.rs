use std::{sync::Arc, time::Duration};

use activelog_application::ports::BrokerHealth;
use futures::{
    StreamExt,
    stream::{BoxStream, FuturesUnordered},
};
use lapin::{Channel, Connection, ConnectionProperties, Event, uri::AMQPUri};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    RabbitMqOptions,
    error::{AnyError, RequestError, within},
    trouble::Troubles,
};

/// How many attempts to connect that get no answer there are before others are made rarely.
const ATTEMPTS: usize = 8;

/// How rarely.
const RARELY: Duration = Duration::from_secs(60);

/// How often a connection is looked at that says nothing.
const LOOK: Duration = Duration::from_millis(500);

type Current = Option<Arc<Connection>>;

/// A connection that comes back by itself, for ever. Those who use it build what they need on it anew.
///
/// Not by the driver's own recovery: after some tries that gives up, and whoever waits for it waits for ever.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) options: Arc<RabbitMqOptions>,
    pub(super) troubles: Troubles,
    current: watch::Receiver<Current>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Link {
    /// Connects. `purpose` is how the server's tools name the connection. Fails when the server cannot be reached now.
    pub(super) async fn open(
        uri: AMQPUri,
        options: Arc<RabbitMqOptions>,
        purpose: &'static str,
    ) -> Result<Self, AnyError> {
        let (troubles, stop, tasks) = (Troubles::default(), CancellationToken::new(), TaskTracker::new());
        let first = connect(&uri, &options, purpose).await?;
        let (tell, current) = watch::channel(Some(Arc::clone(&first)));
        let keeper = Keeper { uri, options: Arc::clone(&options), purpose, troubles: troubles.clone(), tell };
        let until = stop.clone();
        tasks.spawn(async move {
            keeper.keep(first, &until).await;
        });
        Ok(Self { options, troubles, current, stop, tasks })
    }

    /// The connection, once there is one; fails when there is none within a second.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, AnyError> {
        const PATIENCE: Duration = Duration::from_secs(1);
        let mut current = self.current.clone();
        let usable = |current: &Current| current.as_ref().is_some_and(|connection| connection.status().connected());
        let found = match timeout(PATIENCE, current.wait_for(usable)).await {
            Ok(Ok(found)) => found.clone(),
            _ => None,
        };
        found.ok_or_else(|| "not connected to RabbitMQ".into())
    }

    /// A new channel.
    pub(super) async fn channel(&self) -> Result<Channel, AnyError> {
        let connection = self.connection().await?;
        Ok(within(self.options.timeout, "open a channel", connection.create_channel()).await?)
    }

    /// Whether the server has said that it takes nothing at the moment.
    pub(super) fn is_blocked(&self) -> bool {
        self.current.borrow().as_ref().is_some_and(|connection| connection.status().blocked())
    }

    /// How it is doing.
    pub(super) fn health(&self) -> BrokerHealth {
        if self.stop.is_cancelled() {
            return BrokerHealth::Closed;
        }
        if self.is_blocked() {
            let reason = "RabbitMQ takes nothing at the moment: an alarm for memory or disk";
            return BrokerHealth::Degraded(reason.to_owned());
        }
        if let Some(reason) = self.troubles.reason() {
            return BrokerHealth::Degraded(reason);
        }
        match self.current.borrow().as_ref().is_some_and(|connection| connection.status().connected()) {
            true => BrokerHealth::Up,
            false => BrokerHealth::Degraded("not connected to RabbitMQ".to_owned()),
        }
    }

    /// Closes it for good.
    pub(super) async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Keeps a connection.
struct Keeper {
    uri: AMQPUri,
    options: Arc<RabbitMqOptions>,
    purpose: &'static str,
    troubles: Troubles,
    tell: watch::Sender<Current>,
}

impl Keeper {
    async fn keep(self, first: Arc<Connection>, stop: &CancellationToken) {
        let mut connection = first;
        loop {
            let reason = tokio::select! {
                () = stop.cancelled() => break,
                // Nobody has the link any more.
                () = self.tell.closed() => break,
                reason = broken(&connection) => reason,
            };
            self.tell.send_replace(None);
            let Some(next) = stop.run_until_cancelled(self.again(reason)).await else { return };
            connection = next;
            self.tell.send_replace(Some(Arc::clone(&connection)));
        }
        self.tell.send_replace(None);
        if connection.status().blocked() {
            // The driver sends nothing on it, the wish to close it included: it ends with the process.
            return;
        }
        if let Err(error) = within(self.options.timeout, "close", connection.close(200, "OK".into())).await {
            tracing::debug!(%error, "the connection was not closed in order");
        }
    }

    /// A new connection, sooner or later.
    ///
    /// An attempt that gets no answer is not given up, as the driver's thread and its socket would stay behind: others are made beside it, and less often once there are
    /// many. The first that is answered counts.
    async fn again(&self, reason: AnyError) -> Arc<Connection> {
        let mut trouble = self.troubles.of(format!("connection for {}", self.purpose));
        let (mut attempts, mut next) = (FuturesUnordered::new(), Instant::now() + trouble.failed(&reason));
        loop {
            tokio::select! {
                Some(connected) = attempts.next() => match connected {
                    Ok(connection) => {
                        trouble.worked();
                        if !attempts.is_empty() {
                            tokio::spawn(close_late(attempts));
                        }
                        return Arc::new(connection);
                    }
                    Err(error) => {
                        let error: AnyError = Box::new(error);
                        next = Instant::now() + trouble.failed(&error);
                    }
                },
                () = sleep_until(next) => {
                    if !attempts.is_empty() {
                        let silent: AnyError = "RabbitMQ takes connections and says nothing".into();
                        let _pause = trouble.failed(&silent);
                    }
                    attempts.push(connecting(&self.uri, &self.options, self.purpose));
                    next = Instant::now() + if attempts.len() < ATTEMPTS { self.options.timeout } else { RARELY };
                }
            }
        }
    }
}

/// First attempts without an answer. None is given up, for the reason that [`Keeper::again`] has; and no more are made than these until one is answered.
static UNANSWERED: Semaphore = Semaphore::const_new(ATTEMPTS);

async fn connect(uri: &AMQPUri, options: &RabbitMqOptions, purpose: &'static str) -> Result<Arc<Connection>, AnyError> {
    if UNANSWERED.available_permits() == 0 {
        return Err(RequestError::unanswered("connect").into());
    }
    let mut attempt = Box::pin(connecting(uri, options, purpose));
    let failed = match within(options.timeout, "connect", &mut attempt).await {
        Ok(connection) => return Ok(Arc::new(connection)),
        Err(error) => error,
    };
    if failed.is_unanswered()
        && let Ok(place) = UNANSWERED.try_acquire()
    {
        tokio::spawn(async move {
            if let Ok(connection) = attempt.await {
                close_one(connection).await;
            }
            drop(place);
        });
    }
    Err(failed.into())
}

fn connecting(
    uri: &AMQPUri,
    options: &RabbitMqOptions,
    purpose: &'static str,
) -> impl Future<Output = lapin::Result<Connection>> + Send + use<> {
    let name = format!("activelog {}: {purpose}", options.namespace);
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let uri = uri.clone();
    async move { Connection::connect_uri(uri, properties).await }
}

/// Closes connections that are answered for after another was, as all are when a server that stood still goes on.
async fn close_late<C>(mut attempts: FuturesUnordered<C>)
where
    C: Future<Output = lapin::Result<Connection>>,
{
    let close = async {
        while let Some(connected) = attempts.next().await {
            if let Ok(connection) = connected {
                close_one(connection).await;
            }
        }
    };
    // Longer than that no server takes that has just answered another.
    let _silent = timeout(RARELY, close).await;
}

async fn close_one(late: Connection) {
    if let Err(error) = late.close(200, "OK".into()).await {
        tracing::debug!(%error, "a connection that came late was not closed in order");
    }
}

/// Waits until a connection is of no use any more; why.
async fn broken(connection: &Connection) -> AnyError {
    let mut events: BoxStream<'static, Event> = connection.events_listener().boxed();
    let mut ended = false;
    loop {
        let status = connection.status();
        if !status.connected() {
            return "the connection broke".into();
        }
        tokio::select! {
            event = events.next(), if !ended => match event {
                Some(Event::Error(error)) if !connection.status().connected() => return Box::new(error),
                Some(Event::ConnectionBlocked(reason)) => {
                    tracing::warn!(reason, "RabbitMQ takes nothing until its alarm is over");
                }
                Some(Event::ConnectionUnblocked) => tracing::info!("RabbitMQ takes events again"),
                Some(_) => {}
                None => ended = true,
            },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
