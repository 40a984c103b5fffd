use activelog_application::ports::PARTITIONS;
use activelog_domain::event::EventEnvelope;
use anyhow::anyhow;
use async_trait::async_trait;
use futures::future::try_join_all;
use rdkafka::{
    ClientConfig, Message,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{CommitMode, Consumer, StreamConsumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{DeliveryFuture, FutureProducer, FutureRecord},
};

use super::{Bare, Taken, attributes};

/// Kafka by the rdkafka crate: an idempotent producer, one consumer that stores its offsets.
pub(super) struct BareKafka {
    producer: FutureProducer,
    address: String,
    topic: String,
}

impl BareKafka {
    pub(super) async fn connect(address: &str, namespace: &str) -> anyhow::Result<Self> {
        let client = || {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", address);
            config
        };
        let admin: AdminClient<DefaultClientContext> = client().create()?;
        let topic = format!("{namespace}.bare");
        let new = NewTopic::new(&topic, i32::from(PARTITIONS), TopicReplication::Fixed(1));
        for made in admin.create_topics([&new], &AdminOptions::new()).await? {
            made.map_err(|(topic, code)| anyhow!("topic {topic}: {code}"))?;
        }
        let producer = client()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            .create()?;
        Ok(Self { producer, address: address.to_owned(), topic })
    }

    fn send(&self, event: &EventEnvelope) -> anyhow::Result<DeliveryFuture> {
        let mut headers = OwnedHeaders::new_with_capacity(11);
        headers = headers.insert(Header { key: "content-type", value: Some(&event.content_type) });
        for (name, value) in attributes(event) {
            headers = headers.insert(Header { key: &format!("ce_{name}"), value: Some(&value) });
        }
        let record = FutureRecord::to(&self.topic).key(&event.partition_key).payload(event.data.as_ref());
        self.producer.send_result(record.headers(headers)).map_err(|(error, _)| error.into())
    }
}

async fn delivered(sent: DeliveryFuture) -> anyhow::Result<()> {
    sent.await?.map_err(|(error, _)| error)?;
    Ok(())
}

#[async_trait]
impl Bare for BareKafka {
    async fn publish(&self, event: &EventEnvelope) -> anyhow::Result<()> {
        delivered(self.send(event)?).await
    }

    async fn publish_all(&self, events: &[EventEnvelope]) -> anyhow::Result<()> {
        let sent: Vec<_> = events.iter().map(|event| self.send(event).map(delivered)).collect::<Result<_, _>>()?;
        try_join_all(sent).await?;
        Ok(())
    }

    async fn consume(&self, count: usize, taken: &Taken<'_>) -> anyhow::Result<()> {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("group.id", format!("{}.bench", self.topic))
            .set("auto.offset.reset", "earliest")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.offset.store", "false")
            .set("auto.commit.interval.ms", "1000")
            .set("fetch.wait.max.ms", "100")
            .create()?;
        consumer.subscribe(&[&self.topic])?;
        for _ in 0..count {
            let message = consumer.recv().await?;
            let id = message.headers().into_iter().flat_map(Headers::iter).find(|header| header.key == "ce_id");
            taken(id.and_then(|id| std::str::from_utf8(id.value?).ok()).unwrap_or_default());
            consumer.store_offset_from_message(&message)?;
        }
        consumer.commit_consumer_state(CommitMode::Sync)?;
        // Leaving the group blocks.
        tokio::task::spawn_blocking(move || drop(consumer)).await?;
        Ok(())
    }
}
