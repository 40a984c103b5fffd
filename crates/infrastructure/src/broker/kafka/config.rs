use std::time::Duration;

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};

use super::{KafkaOptions, KafkaServers};

/// How long a silent member keeps its partitions: the least that a broker allows unless told otherwise.
pub(super) const SESSION: Duration = Duration::from_secs(6);

/// What a message takes beside its data: the attributes as headers, the key, and its frame.
pub(super) const ENVELOPE: usize = 64 << 10;

/// The settings of this adapter's clients.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    servers: KafkaServers,
    pub(super) options: KafkaOptions,
}

impl Settings {
    pub(super) fn new(servers: KafkaServers, options: KafkaOptions) -> Self {
        Self { servers, options }
    }

    /// With another bound on the payload: the topic's own. Batches are bounded by it too, as the broker bounds them.
    #[must_use]
    pub(super) fn max_payload(mut self, most: usize) -> Self {
        self.options.max_payload = most;
        self
    }

    /// The topic of the events.
    pub(super) fn topic(&self) -> String {
        format!("{}.events", self.options.namespace)
    }

    /// What the broker calls a group.
    pub(super) fn group_id(&self, group: &str) -> String {
        format!("{}.{group}", self.options.namespace)
    }

    /// What every client has; `role` shows in the broker's tools.
    pub(super) fn client(&self, role: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.servers.bootstrap)
            .set("client.id", format!("activelog-{role}"))
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", "8000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.ms", "50")
            .set("topic.metadata.refresh.interval.ms", "10000")
            .set("allow.auto.create.topics", "false")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        let KafkaServers { tls, credentials, mechanism, .. } = &self.servers;
        config.set(
            "security.protocol",
            match (credentials, tls) {
                (None, false) => "plaintext",
                (None, true) => "ssl",
                (Some(_), false) => "sasl_plaintext",
                (Some(_), true) => "sasl_ssl",
            },
        );
        if let Some((user, password)) = credentials {
            config.set("sasl.mechanism", mechanism.name()).set("sasl.username", user).set("sasl.password", password);
        }
        if let Some(trusted) = trusted_authorities().filter(|_| *tls) {
            config.set("ssl.ca.location", trusted);
        }
        config
    }

    /// For a publisher.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut config = self.client("publisher");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", self.options.timeout.as_millis().to_string())
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .set("message.max.bytes", (self.options.max_payload + ENVELOPE).to_string())
            .set("queue.buffering.max.kbytes", (65_536 + self.options.max_payload / 512).to_string());
        config
    }

    /// For a client that looks at a group without being a member.
    pub(super) fn group_view(&self, group: &str) -> ClientConfig {
        let mut config = self.client("monitor");
        config
            .set("group.id", self.group_id(group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("queued.max.messages.kbytes", "1024")
            .set("fetch.message.max.bytes", "65536");
        config
    }

    /// For a client that looks whether there is anything to read, and is told where there is nothing more.
    pub(super) fn scout(&self, group: &str) -> ClientConfig {
        let mut config = self.group_view(group);
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "100");
        config
    }

    /// For the member `name` of a group, which is like no other's.
    pub(super) fn member(&self, group: &str, name: &str) -> ClientConfig {
        let mut config = self.client(group);
        config
            .set("group.id", self.group_id(group))
            // After an outage longer than a session the driver joins anew. By this the broker knows that it is the member it had, and admits it at once; it would
            // otherwise wait for all those it had until their sessions run out.
            .set("group.instance.id", name)
            // Positions are written here, when what they pass has been acknowledged.
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", SESSION.as_millis().to_string())
            // How soon members learn that others have come or gone.
            .set("heartbeat.interval.ms", "500")
            .set("max.poll.interval.ms", "30000")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            .set("fetch.queue.backoff.ms", "20")
            .set("fetch.message.max.bytes", "262144")
            .set("fetch.max.bytes", (2 << 20).max(self.options.max_payload + ENVELOPE).to_string())
            .set("message.max.bytes", (1 << 20).max(self.options.max_payload + ENVELOPE).to_string())
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "8192");
        config
    }
}

/// The file of authorities that counts instead of the system's, as it does with the other brokers: OpenSSL by itself would take both.
#[expect(
    clippy::disallowed_methods,
    reason = "it is read as OpenSSL and rustls read it themselves; it is no setting of this program"
)]
fn trusted_authorities() -> Option<String> {
    std::env::var("SSL_CERT_FILE").ok()
}
