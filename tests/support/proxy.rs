//! A TCP proxy between clients and a server: what networks do to connections. Each connection has random numbers of its own from one seed.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::private_postgres::free_port;

/// What is done to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// They are reset at once.
    Reset,
    /// They are reset in the middle of what is sent next.
    Cut,
    /// Nothing is forwarded for so long, and nothing is closed; new ones are accepted, and as silent. Then it all arrives.
    Silence(Duration),
    /// Everything takes so much longer, for a few seconds.
    Delay(Duration),
    /// Those that are open stay open, and nothing that is sent over them arrives ever again, not even that one end has closed its own. New ones are as they should be.
    HalfOpen,
}

impl Trouble {
    /// What it is called in the tally.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Cut => "cut",
            Self::Silence(_) => "silent",
            Self::Delay(_) => "delayed",
            Self::HalfOpen => "half-open",
        }
    }
}

/// Which connections are hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    All,
    /// Those whose number is even or odd.
    Half(u64),
}

impl Share {
    fn has(self, connection: u64) -> bool {
        match self {
            Self::All => true,
            Self::Half(parity) => connection % 2 == parity % 2,
        }
    }
}

/// How long connections are watched for something to cut.
const CUT: Duration = Duration::from_millis(500);

/// How long a delay lasts.
const DELAYED: Duration = Duration::from_secs(3);

/// What holds now, and for whom.
#[derive(Debug, Clone, Copy)]
struct Weather {
    trouble: Option<Trouble>,
    share: Share,
    resets: Toll,
    losses: Toll,
}

/// How often something was done to the connections with an even and to those with an odd number.
#[derive(Debug, Clone, Copy, Default)]
struct Toll([u64; 2]);

impl Toll {
    fn strike(&mut self, share: Share) {
        for (parity, count) in (0..).zip(&mut self.0) {
            *count += u64::from(share.has(parity));
        }
    }

    fn of(self, connection: u64) -> u64 {
        self.0[usize::from(connection % 2 == 1)]
    }
}

/// A proxy. It ends, and its connections with it, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    upstream: watch::Sender<Option<u16>>,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens. Until it is told of a server, connections are accepted and reset.
    pub async fn start(seed: u64) -> io::Result<Self> {
        let listener = listen().await?;
        let port = listener.local_addr()?.port();
        let (upstream, server) = watch::channel(None);
        let (weather, forecast) = watch::channel(Weather {
            trouble: None,
            share: Share::All,
            resets: Toll::default(),
            losses: Toll::default(),
        });
        let task = tokio::spawn(accept(listener, server, forecast, seed));
        Ok(Self { port, upstream, weather, task })
    }

    /// Where clients come to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's port.
    pub fn forward_to(&self, port: u16) {
        self.upstream.send_replace(Some(port));
    }

    /// Has connections suffer. Returns when it is over.
    pub async fn trouble(&self, trouble: Trouble, share: Share) {
        let over = match trouble {
            Trouble::Reset => return self.weather.send_modify(|weather| weather.resets.strike(share)),
            Trouble::HalfOpen => return self.weather.send_modify(|weather| weather.losses.strike(share)),
            Trouble::Cut => CUT,
            Trouble::Silence(time) => time,
            Trouble::Delay(_) => DELAYED,
        };
        self.weather.send_modify(|weather| (weather.trouble, weather.share) = (Some(trouble), share));
        tokio::time::sleep(over).await;
        self.weather.send_modify(|weather| weather.trouble = None);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// On a port that outgoing connections are never given.
async fn listen() -> io::Result<TcpListener> {
    let mut tried = TcpListener::bind(("127.0.0.1", free_port())).await;
    for _ in 0..3 {
        if tried.is_ok() {
            break;
        }
        tried = TcpListener::bind(("127.0.0.1", free_port())).await;
    }
    tried
}

async fn accept(
    listener: TcpListener,
    server: watch::Receiver<Option<u16>>,
    weather: watch::Receiver<Weather>,
    seed: u64,
) {
    let mut connections = JoinSet::new();
    let mut number = 0_u64;
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        number += 1;
        let before = *weather.borrow();
        let sky = Sky { weather: weather.clone(), connection: number, before };
        let random = fastrand::Rng::with_seed(seed ^ number);
        connections.spawn(serve(client, server.clone(), sky, random));
    }
}

/// One connection, from its beginning to its end. It ends by a reset unless one of its sides has ended it in order.
async fn serve(client: TcpStream, server: watch::Receiver<Option<u16>>, mut sky: Sky, mut random: fastrand::Rng) {
    let abort = |stream: &TcpStream| stream.set_zero_linger();
    sky.clear().await;
    let port = *server.borrow();
    let Some(port) = port else { return drop(abort(&client)) };
    let Ok(upstream) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await else {
        return drop(abort(&client));
    };
    // Whatever closes them without an end in order resets them.
    let _ = (abort(&client), abort(&upstream), client.set_nodelay(true), upstream.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), upstream.into_split());
    let seeds = (random.u64(..), random.u64(..));
    let up = pump(from_client, to_server, sky.clone(), fastrand::Rng::with_seed(seeds.0));
    let down = pump(from_server, to_client, sky, fastrand::Rng::with_seed(seeds.1));
    // An end in one direction is passed on, and the other direction goes on; anything else ends both.
    let _ = tokio::try_join!(up, down);
}

/// Forwards one direction until it ends in order; `Err` when the connection is to be reset.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut sky: Sky,
    mut random: fastrand::Rng,
) -> Result<(), ()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = tokio::select! {
            () = sky.reset() => return Err(()),
            read = from.read(&mut buffer) => read,
        };
        sky.clear().await;
        if sky.is_lost() {
            if !matches!(read, Ok(1..)) {
                // The other end is not told.
                sky.reset().await;
                return Err(());
            }
            continue;
        }
        let read = read.map_err(drop)?;
        match sky.now() {
            Some(Trouble::Cut) if read > 1 => {
                let part = random.usize(1..read);
                let _ = to.write_all(&buffer[..part]).await;
                return Err(());
            }
            Some(Trouble::Delay(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        if sky.is_lost() {
            continue;
        }
        if read == 0 {
            return to.shutdown().await.map_err(drop);
        }
        let written = async { to.write_all(&buffer[..read]).await.map_err(drop) };
        tokio::select! {
            () = sky.reset() => return Err(()),
            written = written => written?,
        }
    }
}

/// What a connection sees of the weather.
#[derive(Clone)]
struct Sky {
    weather: watch::Receiver<Weather>,
    connection: u64,
    /// As it was when the connection began.
    before: Weather,
}

impl Sky {
    /// What is wrong for this connection.
    fn now(&self) -> Option<Trouble> {
        let weather = *self.weather.borrow();
        weather.trouble.filter(|_| weather.share.has(self.connection))
    }

    /// Whether nothing arrives by it any more.
    fn is_lost(&self) -> bool {
        self.weather.borrow().losses.of(self.connection) > self.before.losses.of(self.connection)
    }

    /// Waits until nothing keeps it silent.
    async fn clear(&mut self) {
        let (connection, weather) = (self.connection, &mut self.weather);
        let silent =
            |weather: &Weather| matches!(weather.trouble, Some(Trouble::Silence(_))) && weather.share.has(connection);
        // An error says that the proxy is gone, and this task with it.
        let _ = weather.wait_for(|weather| !silent(weather)).await;
    }

    /// Waits until it is reset.
    async fn reset(&mut self) {
        let (connection, before) = (self.connection, self.before.resets.of(self.connection));
        if self.weather.wait_for(|weather| weather.resets.of(connection) > before).await.is_err() {
            std::future::pending().await
        }
    }
}
