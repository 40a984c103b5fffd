#![expect(clippy::expect_used, reason = "a server that is there and cannot be configured fails the test")]

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{private_kafka, private_rabbitmq};

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

    pub(super) fn program(self) -> &'static str {
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

    pub(super) fn arguments(self) -> Vec<String> {
        let arguments: &[&str] = match self {
            Self::Redis => &["redis.conf"],
            Self::Nats => &["-c", "nats.conf"],
            Self::RabbitMq => &[],
            Self::Kafka => return private_kafka::arguments(),
        };
        arguments.iter().map(|argument| (*argument).to_owned()).collect()
    }

    /// A configuration as it should not be, in its own language: what it acknowledges may go with a loss of power, or it is about to refuse everything.
    pub fn careless(self) -> &'static str {
        match self {
            Self::Redis => "appendfsync everysec\nmaxmemory 64mb\nmaxmemory-policy allkeys-lru\n",
            Self::Nats => "jetstream: disabled\n",
            Self::RabbitMq => "disk_free_limit.absolute = 900000GB\n",
            Self::Kafka => "log.flush.interval.messages=1000\n",
        }
    }

    /// Whether one on this port does its work.
    pub(super) fn is_ready(self, port: u16, log: &str) -> bool {
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

    /// The URL of a namespace on the server at this port.
    pub(super) fn url(self, port: u16, namespace: &str) -> String {
        match self {
            Self::Redis => format!("redis://127.0.0.1:{port}?namespace={namespace}"),
            Self::Nats => format!("nats://127.0.0.1:{port}?namespace={namespace}&durability=power-loss"),
            Self::RabbitMq => format!("amqp://127.0.0.1:{port}?namespace={namespace}"),
            Self::Kafka => format!("kafka://127.0.0.1:{port}?namespace={namespace}"),
        }
    }

    /// Writes the configuration that a server at this port reads when it starts. In `extra`, which may override the rest, it is told of in its own language; clients are told to come
    /// to the port `advertised`.
    pub(super) fn configure(self, program: &Path, folder: &Path, port: u16, advertised: u16, extra: &str) {
        let (name, text) = match self {
            Self::Redis => (
                "redis.conf",
                format!(
                    "bind 127.0.0.1\nport {port}\ndir {}\nappendonly yes\nappendfsync always\nsave \"\"\nmaxmemory-policy noeviction\n{extra}",
                    folder.display()
                ),
            ),
            Self::Nats => (
                "nats.conf",
                format!(
                    "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?}, sync_interval: always }}\n{extra}",
                    folder.join("data")
                ),
            ),
            // Written with each start.
            Self::RabbitMq => return,
            Self::Kafka => return private_kafka::prepare(program, folder, port, advertised, extra),
        };
        fs::write(folder.join(name), text).expect("a configuration");
    }
}
