use activelog_application::ports::{PARTITIONS, partition_of};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, aio::MultiplexedConnection, cmd, pipe, streams::StreamReadReply,
};

use super::{Bare, Taken, attributes};

/// Redis Streams by the redis crate: sixteen streams by key, one group.
pub(super) struct BareRedis {
    writing: MultiplexedConnection,
    client: Client,
    streams: Vec<String>,
}

impl BareRedis {
    pub(super) async fn connect(address: &str, namespace: &str) -> anyhow::Result<Self> {
        let client = Client::open(format!("redis://{address}"))?;
        let mut writing = client.get_multiplexed_async_connection().await?;
        let streams: Vec<String> = (0..PARTITIONS).map(|partition| format!("{namespace}:{partition}")).collect();
        for stream in &streams {
            let (): () = cmd("XGROUP")
                .arg("CREATE")
                .arg(stream)
                .arg("bench")
                .arg("0")
                .arg("MKSTREAM")
                .query_async(&mut writing)
                .await?;
        }
        Ok(Self { writing, client, streams })
    }

    fn add(&self, event: &EventEnvelope) -> Cmd {
        let mut add = cmd("XADD");
        add.arg(&self.streams[usize::from(partition_of(&event.partition_key).0)]).arg("*");
        for (name, value) in attributes(event) {
            add.arg(format!("ce_{name}")).arg(value);
        }
        add.arg("ce_datacontenttype").arg(&event.content_type);
        add.arg("data").arg(event.data.as_ref());
        add
    }
}

#[async_trait]
impl Bare for BareRedis {
    async fn publish(&self, event: &EventEnvelope) -> anyhow::Result<()> {
        let _id: String = self.add(event).query_async(&mut self.writing.clone()).await?;
        Ok(())
    }

    async fn publish_all(&self, events: &[EventEnvelope]) -> anyhow::Result<()> {
        let mut pipeline = Pipeline::with_capacity(events.len());
        for event in events {
            pipeline.add_command(self.add(event));
        }
        let _ids: Vec<String> = pipeline.query_async(&mut self.writing.clone()).await?;
        Ok(())
    }

    async fn consume(&self, count: usize, taken: &Taken<'_>) -> anyhow::Result<()> {
        // Reads wait: they need a connection of their own, and more time than its default.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let mut reading = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let mut left = count;
        while left > 0 {
            let mut read = cmd("XREADGROUP");
            read.arg("GROUP").arg("bench").arg("one").arg("COUNT").arg(256 / PARTITIONS).arg("BLOCK").arg(1_000);
            read.arg("STREAMS").arg(&self.streams).arg(vec![">"; self.streams.len()]);
            let answer: Option<StreamReadReply> = read.query_async(&mut reading).await?;
            let mut acknowledge = pipe();
            for key in answer.iter().flat_map(|answer| &answer.keys) {
                let ack = acknowledge.cmd("XACK").arg(&key.key).arg("bench");
                for entry in &key.ids {
                    taken(&entry.get::<String>("ce_id").unwrap_or_default());
                    ack.arg(&entry.id);
                    left -= 1;
                }
            }
            if answer.is_some() {
                let _acknowledged: Vec<u64> = acknowledge.query_async(&mut self.writing.clone()).await?;
            }
        }
        Ok(())
    }
}
