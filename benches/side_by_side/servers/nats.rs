use std::future::IntoFuture;

use activelog_application::ports::partition_of;
use activelog_domain::event::EventEnvelope;
use anyhow::{Context as _, anyhow};
use async_nats::{
    HeaderMap,
    jetstream::{
        self, Context,
        consumer::{AckPolicy, PullConsumer, pull},
        message::PublishMessage,
        stream::{Config, Stream},
    },
};
use async_trait::async_trait;
use futures::{StreamExt, future::try_join_all};

use super::{Bare, Taken, attributes};

/// JetStream by the async-nats crate: one stream, one durable pull consumer.
pub(super) struct BareNats {
    jetstream: Context,
    stream: Stream,
    namespace: String,
}

impl BareNats {
    pub(super) async fn connect(address: &str, namespace: &str) -> anyhow::Result<Self> {
        let jetstream = jetstream::new(async_nats::connect(format!("nats://{address}")).await?);
        let config = Config {
            name: namespace.to_owned(),
            subjects: vec![format!("{namespace}.events.>")],
            ..Default::default()
        };
        let stream = jetstream.create_stream(config).await?;
        Ok(Self { jetstream, stream, namespace: namespace.to_owned() })
    }

    async fn send(&self, event: &EventEnvelope) -> anyhow::Result<jetstream::context::PublishAckFuture> {
        let mut headers = HeaderMap::new();
        for name in ["ce-datacontenttype", "content-type"] {
            headers.insert(name, event.content_type.clone());
        }
        for (name, value) in attributes(event) {
            headers.insert(format!("ce-{name}"), value);
        }
        let message =
            PublishMessage::build().headers(headers).message_id(event.id.to_string()).payload(event.data.clone());
        let partition = partition_of(&event.partition_key).0;
        Ok(self
            .jetstream
            .send_publish(format!("{}.events.{partition}.{}", self.namespace, event.name), message)
            .await?)
    }
}

#[async_trait]
impl Bare for BareNats {
    async fn publish(&self, event: &EventEnvelope) -> anyhow::Result<()> {
        self.send(event).await?.into_future().await?;
        Ok(())
    }

    async fn publish_all(&self, events: &[EventEnvelope]) -> anyhow::Result<()> {
        let mut sent = Vec::with_capacity(events.len());
        for event in events {
            sent.push(self.send(event).await?.into_future());
        }
        try_join_all(sent).await?;
        Ok(())
    }

    async fn consume(&self, count: usize, taken: &Taken<'_>) -> anyhow::Result<()> {
        let config = pull::Config {
            durable_name: Some("bench".to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: 256,
            ..Default::default()
        };
        let consumer: PullConsumer = self.stream.create_consumer(config).await?;
        let mut messages = consumer.stream().max_messages_per_batch(256).messages().await?;
        for _ in 0..count {
            let message = messages.next().await.context("the consumer ended early")??;
            let id = message.headers.as_ref().and_then(|headers| headers.get("ce-id")).map(ToString::to_string);
            taken(&id.unwrap_or_default());
            message.ack().await.map_err(|error| anyhow!(error))?;
        }
        Ok(())
    }
}
