#![expect(clippy::expect_used, clippy::panic, reason = "a server that is there and does not start fails the test")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::{
    private_kafka,
    private_postgres::{as_nobody, free_port, give_to_nobody},
    private_rabbitmq,
};

/// How long a server may take to start or stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a server and outlives the test process: once that is gone, however it went, the pipe on standard input ends, the server is killed and its folder
/// removed.
const WATCHER: &str = r#"
exec 3<&0
dir=$1; shift
exec >>"$dir/server.log" 2>&1 </dev/null
"$@" 3<&- &
server=$!
echo "$server" >"$dir/server.pid"
( while read -r _; do :; done; : >"$dir/abandoned"; while kill -KILL "$server"; do sleep 0.2; done ) <&3 &
watch=$!
exec 3<&-
wait "$server"
if [ -e "$dir/abandoned" ]; then rm -rf "$dir"; else kill "$watch"; fi
"#;

/// A broker that is a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Redis, with every write synced.
    Redis,
    /// NATS with JetStream, with every write synced.
    Nats,
    /// RabbitMQ.
    RabbitMq,
    /// Apache Kafka: one node that is broker and controller.
    Kafka,
}

impl Kind {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Redis, Self::Nats, Self::RabbitMq, Self::Kafka];

    /// The name of its adapter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::RabbitMq => "rabbitmq",
            Self::Kafka => "kafka",
        }
    }

    /// How to get it, when it is missing.
    pub fn missing(self) -> &'static str {
        match self {
            Self::Redis => {
                "Redis is not installed: no `redis-server` on the PATH. Get it with `scripts/servers install redis`"
            }
            Self::Nats => {
                "NATS is not installed: no `nats-server` in $ACTIVELOG_SERVERS_BIN, in ~/.local/share/activelog/servers/bin, or on the PATH. Get it with \
                 `scripts/servers install nats`"
            }
            Self::RabbitMq => {
                "RabbitMQ is not installed: no `rabbitmq-server` in /usr/lib/rabbitmq/bin or on the PATH. Get it with `scripts/servers install rabbitmq`"
            }
            Self::Kafka => {
                "Kafka is not installed: no jars in $ACTIVELOG_SERVERS_HOME/kafka or ~/.local/share/activelog/servers/kafka, or no `java` on the PATH. Get it with \
                 `scripts/install-kafka`"
            }
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
            Self::RabbitMq => "rabbitmq-server",
            Self::Kafka => "java",
        }
    }

    /// Where its program is.
    pub fn find(self) -> Option<PathBuf> {
        if self == Self::Kafka && private_kafka::jars().is_none() {
            return None;
        }
        let configured = std::env::var_os("ACTIVELOG_SERVERS_BIN").map(PathBuf::from);
        let installed =
            std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share/activelog/servers/bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let packaged = (self == Self::RabbitMq).then(|| PathBuf::from(private_rabbitmq::PACKAGED));
        let folders = configured.into_iter().chain(installed).chain(packaged).chain(std::env::split_paths(&path));
        folders.map(|folder| folder.join(self.program())).find(|program| program.is_file())
    }

    fn arguments(self) -> Vec<String> {
        let arguments: &[&str] = match self {
            Self::Redis => &["redis.conf"],
            Self::Nats => &["-c", "nats.conf"],
            Self::RabbitMq => &[],
            Self::Kafka => return private_kafka::arguments(),
        };
        arguments.iter().map(|argument| (*argument).to_owned()).collect()
    }

    /// Whether one on this port does its work.
    fn is_ready(self, port: u16, log: &str) -> bool {
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        match self {
            Self::Redis => {
                let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
                let mut answer = [0; 5];
                connection.write_all(b"PING\r\n").and_then(|()| connection.read_exact(&mut answer)).is_ok()
                    // The second wants to know who asks.
                    && [b"+PONG", b"-NOAU"].contains(&&answer)
            }
            Self::Kafka => private_kafka::answers(&mut connection),
            // Of this start: the log is kept from one to the next.
            Self::Nats => {
                log.rsplit("Starting nats-server").next().is_some_and(|start| start.contains("Server is ready"))
            }
            Self::RabbitMq => private_rabbitmq::is_ready(connection),
        }
    }
}

/// A broker of one's own: on loopback, with its data in a temporary folder, durable like a real one. It ends when this is dropped, or when the process
/// ends in whatever way.
#[derive(Debug)]
pub struct PrivateBroker {
    kind: Kind,
    program: PathBuf,
    folder: TempDir,
    port: u16,
    /// What it is configured with beside what every test wants, in its own language.
    extra: String,
    /// `None` while the server is down.
    running: Mutex<Option<(Child, ChildStdin)>>,
}

impl PrivateBroker {
    /// Starts one; `None` when its program is not on this machine.
    pub fn start(kind: Kind) -> Option<Self> {
        Self::start_with(kind, |_| String::new())
    }

    /// Starts one with a configuration that may add to the usual one and override it, for the port it is on.
    pub fn start_with(kind: Kind, extra: impl Fn(u16) -> String) -> Option<Self> {
        let program = kind.find()?;
        let folder =
            tempfile::Builder::new().prefix(&format!("activelog-{}-", kind.program())).tempdir().expect("a folder");
        give_to_nobody(folder.path());
        let mut server = Self { kind, program, folder, port: 0, extra: String::new(), running: Mutex::new(None) };
        // Another process may take a port between its being found free and its being used.
        for _ in 0..3 {
            server.port = free_port();
            server.extra = extra(server.port);
            server.configure();
            if server.launch() {
                return Some(server);
            }
        }
        panic!("{} does not start:\n{}", kind.program(), server.log());
    }

    /// Writes what it is started with. RabbitMQ's is written with each start.
    fn configure(&self) {
        let (folder, port, extra) = (self.folder.path(), self.port, &self.extra);
        let (name, text) = match self.kind {
            Kind::Redis => (
                "redis.conf",
                format!(
                    "bind 127.0.0.1\nport {port}\ndir {}\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\n{extra}",
                    folder.display()
                ),
            ),
            Kind::Nats => (
                "nats.conf",
                format!(
                    "listen: 127.0.0.1:{port}\nmax_payload: 8MB\njetstream {{ store_dir: {:?}, sync_interval: always }}\n{extra}",
                    folder.join("data")
                ),
            ),
            Kind::RabbitMq => return,
            Kind::Kafka => return private_kafka::prepare(&self.program, folder, port, extra),
        };
        fs::write(folder.join(name), text).expect("a configuration");
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a namespace on this server.
    pub fn url(&self, namespace: &str) -> String {
        match self.kind {
            Kind::Redis => format!("redis://127.0.0.1:{}?namespace={namespace}", self.port),
            Kind::Nats => format!("nats://127.0.0.1:{}?namespace={namespace}&durability=power-loss", self.port),
            Kind::RabbitMq => format!("amqp://127.0.0.1:{}?namespace={namespace}", self.port),
            Kind::Kafka => format!("kafka://127.0.0.1:{}?namespace={namespace}", self.port),
        }
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the server is ours");
    }

    /// Stops the server, so that it answers nothing while its connections stay open, and waits until every thread of it stands still. SIGCONT lets it go on.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
        let stands = |task: fs::DirEntry| {
            let status = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            status.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        };
        let tasks = || fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it is there").flatten();
        let start = Instant::now();
        while !tasks().all(stands) {
            assert!(start.elapsed() < PATIENCE, "{} does not stop", self.kind.program());
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Kills the server with SIGKILL, as a crash would, and waits until it is gone.
    pub fn kill(&self) {
        let Some((mut watcher, _pipe)) = self.running().take() else { return };
        self.signal(Signal::SIGKILL);
        watcher.wait().expect("the watcher is our child");
    }

    /// Starts the server again after [`kill`](Self::kill), on the same port and data.
    pub fn restart(&self) {
        self.kill();
        let start = Instant::now();
        while !self.launch() {
            assert!(start.elapsed() < PATIENCE, "{} does not start again:\n{}", self.kind.program(), self.log());
        }
    }

    fn pid(&self) -> Pid {
        let text = fs::read_to_string(self.folder.path().join("server.pid")).expect("it was started");
        Pid::from_raw(text.trim().parse().expect("a process id"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Whether the server came up.
    fn launch(&self) -> bool {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHER, "watcher"]).arg(self.folder.path()).args(as_nobody());
        match self.kind {
            Kind::RabbitMq => command.arg("sh").args(private_rabbitmq::prepare(
                self.folder.path(),
                &self.program,
                self.port,
                &self.extra,
            )),
            kind => command.arg(&self.program).args(kind.arguments()),
        };
        // A group of its own: Ctrl-C is for the tests, and the server ends when they have ended.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut watcher = command.current_dir(self.folder.path()).spawn().expect("sh is there");
        let pipe = watcher.stdin.take().expect("standard input is a pipe");
        let ready = self.wait_until_ready(&mut watcher);
        *self.running() = ready.then_some((watcher, pipe));
        ready
    }

    /// Waits until the server does its work. `false` if it ended instead.
    fn wait_until_ready(&self, watcher: &mut Child) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if watcher.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if self.kind.is_ready(self.port, &self.log()) {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("{} is not ready after {PATIENCE:?}:\n{}", self.kind.program(), self.log());
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<(Child, ChildStdin)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PrivateBroker {
    fn drop(&mut self) {
        self.kill();
    }
}
