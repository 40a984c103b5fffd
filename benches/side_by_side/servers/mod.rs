//! Brokers that are servers: the adapter beside the bare client, which does the same work with the same server and the same guarantee.

pub(crate) mod backlog;
#[cfg(feature = "kafka")]
mod kafka;
mod measures;
mod nats;
mod rabbitmq;
mod redis;

use std::sync::Arc;

use activelog_application::ports::Broker;
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use async_trait::async_trait;

use crate::{
    bench::Bench,
    report::Row,
    support::{Kind, PrivateBroker, require_servers},
};

/// Is told the id of each event that was taken.
type Taken<'a> = dyn Fn(&str) + Sync + 'a;

/// What one would write with the client library alone.
#[async_trait]
trait Bare: Send + Sync {
    /// Publishes an event and waits until it is kept.
    async fn publish(&self, event: &EventEnvelope) -> anyhow::Result<()>;

    /// Publishes events, all on the way at once, and waits until all are kept.
    async fn publish_all(&self, events: &[EventEnvelope]) -> anyhow::Result<()>;

    /// Takes and acknowledges so many events, at most 256 unacknowledged at once. Tells the id of each.
    async fn consume(&self, count: usize, taken: &Taken<'_>) -> anyhow::Result<()>;
}

/// The attributes of an event, as every bare client sends them.
fn attributes(event: &EventEnvelope) -> [(&'static str, String); 10] {
    [
        ("specversion", "1.0".to_owned()),
        ("id", event.id.to_string()),
        ("source", event.source.clone()),
        ("type", event.name.clone()),
        ("subject", event.subject.clone()),
        ("time", event.time.to_string()),
        ("eventversion", event.version.to_string()),
        ("partitionkey", event.partition_key.clone()),
        ("sequence", event.sequence.to_string()),
        ("correlationid", event.correlation_id.to_string()),
    ]
}

/// Redis Streams.
pub(crate) fn redis(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    run(bench, "broker redis", Kind::Redis)
}

/// NATS JetStream.
pub(crate) fn nats(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    run(bench, "broker nats", Kind::Nats)
}

/// RabbitMQ's quorum queues.
pub(crate) fn rabbitmq(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    run(bench, "broker rabbitmq", Kind::RabbitMq)
}

/// Apache Kafka.
pub(crate) fn kafka(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    if cfg!(not(feature = "kafka")) {
        return Ok(vec![Row::left_out("broker kafka", "compiled without kafka: --features kafka")]);
    }
    run(bench, "broker kafka", Kind::Kafka)
}

fn run(bench: &Bench, name: &'static str, kind: Kind) -> anyhow::Result<Vec<Row>> {
    let Some(server) = PrivateBroker::start(kind) else {
        anyhow::ensure!(!require_servers(), "ACTIVELOG_REQUIRE_SERVERS=1, and {}", kind.missing());
        return Ok(vec![Row::left_out(name, kind.missing())]);
    };
    // As many threads as activelog has, for both.
    tokio::runtime::Runtime::new()?.block_on(measures::all(bench, name, &Pair { kind, server }))
}

/// A server and both ways to use it.
struct Pair {
    kind: Kind,
    server: PrivateBroker,
}

impl Pair {
    /// How many events are published together and taken: as many as take some seconds.
    fn events(&self) -> usize {
        match self.kind {
            Kind::Kafka => 200_000,
            _ => 40_000,
        }
    }

    /// Whether the server syncs every message by itself, which this kind of machine does not do often enough.
    fn is_saturated_early(&self) -> bool {
        self.kind == Kind::Nats
    }

    /// The adapter, with the group declared: some brokers keep events for those only that are known.
    async fn adapter(&self, namespace: &str) -> anyhow::Result<Broker> {
        let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
        let broker = BrokerRegistry::with_builtin().connect(&self.server.url(namespace), resources).await?;
        broker.subscriber.subscribe(&measures::subscription()).await?.close().await?;
        Ok(broker)
    }

    async fn bare(&self, namespace: &str) -> anyhow::Result<Arc<dyn Bare>> {
        let address = format!("127.0.0.1:{}", self.server.port());
        Ok(match self.kind {
            Kind::Redis => Arc::new(redis::BareRedis::connect(&address, namespace).await?),
            Kind::RabbitMq => Arc::new(rabbitmq::BareRabbitMq::connect(&address, namespace).await?),
            #[cfg(feature = "kafka")]
            Kind::Kafka => Arc::new(kafka::BareKafka::connect(&address, namespace).await?),
            #[cfg(not(feature = "kafka"))]
            Kind::Kafka => anyhow::bail!("compiled without kafka"),
            Kind::Nats => Arc::new(nats::BareNats::connect(&address, namespace).await?),
        })
    }
}
