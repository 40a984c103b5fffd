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

    pub(super) fn arguments(self, folder: &Path, port: u16) -> Vec<String> {
        let (folder, port) = (folder.display().to_string(), port.to_string());
        let arguments: Vec<&str> = match self {
            Self::Redis => vec![
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--dir",
                &folder,
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--save",
                "",
                "--maxmemory-policy",
                "noeviction",
                "--daemonize",
                "no",
            ],
            Self::Nats => vec!["-c", "nats.conf"],
            Self::RabbitMq => Vec::new(),
            Self::Kafka => return private_kafka::arguments(),
        };
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Whether one on this port does its work.
    pub(super) fn is_ready(self, port: u16, log: &str) -> bool {
        let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        match self {
            Self::Redis => {
                let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
                let mut answer = [0; 5];
                connection.write_all(b"PING\r\n").and_then(|()| connection.read_exact(&mut answer)).is_ok()
                    && &answer == b"+PONG"
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

    /// Writes the configuration that a server at this port reads when it starts, and that tells clients to come to `advertised`.
    pub(super) fn configure(self, program: &Path, folder: &Path, port: u16, advertised: u16) {
        match self {
            Self::Nats => {
                let text = format!(
                    "listen: 127.0.0.1:{port}\nmax_payload: 8MB\njetstream {{ store_dir: {:?}, sync_interval: always }}\n",
                    folder.join("data")
                );
                fs::write(folder.join("nats.conf"), text).expect("a configuration");
            }
            Self::Kafka => private_kafka::prepare(program, folder, port, advertised),
            // What it reads is written with each start, or there is nothing to read.
            Self::RabbitMq | Self::Redis => {}
        }
    }
}
