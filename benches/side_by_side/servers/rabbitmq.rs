use activelog_application::ports::{PARTITIONS, partition_of};
use activelog_domain::event::EventEnvelope;
use anyhow::{Context, ensure};
use async_trait::async_trait;
use futures::{StreamExt, future::try_join_all, stream::select_all};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind, PublisherConfirm,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

use super::{Bare, Taken, attributes};

/// RabbitMQ by the lapin crate: sixteen quorum queues by key, with a single active consumer each.
pub(super) struct BareRabbitMq {
    /// One to publish on, one to consume on.
    connections: [Connection; 2],
    publishing: Channel,
    namespace: String,
}

impl BareRabbitMq {
    pub(super) async fn connect(address: &str, namespace: &str) -> anyhow::Result<Self> {
        let url = format!("amqp://guest:guest@{address}");
        let connect = || Connection::connect(&url, ConnectionProperties::default());
        let connections = [connect().await?, connect().await?];
        let publishing = connections[0].create_channel().await?;
        publishing.confirm_select(ConfirmSelectOptions::default()).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        publishing.exchange_declare(namespace.into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
        for partition in 0..PARTITIONS {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let queue = format!("{namespace}:{partition}");
            publishing.queue_declare(queue.as_str().into(), durable, arguments).await?;
            let (key, none) = (format!("{partition}.#"), FieldTable::default());
            let bind = QueueBindOptions::default();
            publishing.queue_bind(queue.into(), namespace.into(), key.into(), bind, none).await?;
        }
        Ok(Self { connections, publishing, namespace: namespace.to_owned() })
    }

    async fn send(&self, event: &EventEnvelope) -> anyhow::Result<PublisherConfirm> {
        let mut headers = FieldTable::default();
        for (name, value) in attributes(event) {
            headers.insert(format!("cloudEvents:{name}").into(), AMQPValue::LongString(value.into()));
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_message_id(event.id.to_string().into())
            .with_content_type(event.content_type.as_str().into())
            .with_headers(headers);
        let key = format!("{}.{}", partition_of(&event.partition_key).0, event.name);
        let mandatory = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let exchange = self.namespace.as_str().into();
        Ok(self.publishing.basic_publish(exchange, key.into(), mandatory, &event.data, properties).await?)
    }
}

async fn confirmed(sent: PublisherConfirm) -> anyhow::Result<()> {
    let confirmation = sent.await?;
    ensure!(confirmation.is_ack() && confirmation.take_message().is_none(), "an event was not stored");
    Ok(())
}

#[async_trait]
impl Bare for BareRabbitMq {
    async fn publish(&self, event: &EventEnvelope) -> anyhow::Result<()> {
        confirmed(self.send(event).await?).await
    }

    async fn publish_all(&self, events: &[EventEnvelope]) -> anyhow::Result<()> {
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            sent.push(confirmed(self.send(event).await?));
        }
        try_join_all(sent).await?;
        Ok(())
    }

    /// Holds as much of each queue in memory as the adapter does, and acknowledges as many together as fit a quarter of that.
    async fn consume(&self, count: usize, taken: &Taken<'_>) -> anyhow::Result<()> {
        const WINDOW: u16 = 128;
        let (mut channels, mut consumers) = (Vec::new(), Vec::new());
        for partition in 0..PARTITIONS {
            let channel = self.connections[1].create_channel().await?;
            channel.basic_qos(WINDOW, BasicQosOptions::default()).await?;
            let (queue, options) = (format!("{}:{partition}", self.namespace), BasicConsumeOptions::default());
            let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
            let of = usize::from(partition);
            consumers.push(consumer.map(move |delivery| (of, delivery)));
            channels.push(channel);
        }
        // By queue: how many are not acknowledged, and the last of them.
        let mut open = vec![(0, 0); channels.len()];
        let all = BasicAckOptions { multiple: true };
        let mut deliveries = select_all(consumers);
        for _ in 0..count {
            let (of, delivery) = deliveries.next().await.context("the consumers ended early")?;
            let delivery = delivery?;
            taken(delivery.properties.message_id().as_ref().map(|id| id.as_str()).unwrap_or_default());
            open[of] = (open[of].0 + 1, delivery.delivery_tag);
            if open[of].0 >= WINDOW / 4 {
                channels[of].basic_ack(delivery.delivery_tag, all).await?;
                open[of].0 = 0;
            }
        }
        for (channel, (left, last)) in channels.iter().zip(open) {
            if left > 0 {
                channel.basic_ack(last, all).await?;
            }
            channel.close(200, "done".into()).await?;
        }
        Ok(())
    }
}
