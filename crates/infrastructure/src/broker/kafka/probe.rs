use std::time::Duration;

use activelog_application::ports::{BrokerProbe, BrokerReport, Finding, ProbeError};
use async_trait::async_trait;
use rdkafka::{
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use tokio::time::Instant;

use super::{
    config::Settings,
    context::LogContext,
    error::{is_hidden, is_missing},
    monitor::explain,
    off_thread::OffThread,
    settings::{Layout, hidden, of_layout, of_missing_topic, of_topic},
    topic::{self, Admin},
};
use crate::broker::probing::{AnyError, bounded};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Asks Kafka.
pub(super) struct KafkaProbe {
    settings: Settings,
    /// Not an admin client: to ask one for a topic that is missing may make it.
    client: OffThread<BaseConsumer<LogContext>>,
    admin: Admin,
}

#[async_trait]
impl BrokerProbe for KafkaProbe {
    /// Groups have no settings of their own here. Kafka's protocol tells no version of the brokers.
    async fn probe(&self, _group: &str) -> Result<BrokerReport, ProbeError> {
        bounded(self.ask()).await
    }
}

impl KafkaProbe {
    /// Does not connect yet.
    pub(super) fn new(settings: Settings) -> KafkaResult<Self> {
        let client = BaseConsumer::from_config_and_context(&settings.client("probe"), LogContext)?;
        let (client, admin) = (OffThread::new(client), topic::admin(&settings)?);
        Ok(Self { settings, client, admin })
    }

    async fn ask(&self) -> Result<BrokerReport, AnyError> {
        // The first answer may wait for a connection.
        self.layout().await?;
        let begun = Instant::now();
        let layout = self.layout().await?;
        let round_trip = begun.elapsed();
        let laid_out = layout.replicas > 0;
        let mut findings = vec![Finding::ok(match layout.brokers {
            1 => "one broker".to_owned(),
            brokers => format!("{brokers} brokers"),
        })];
        if laid_out {
            findings.extend(self.topic(layout).await?);
        } else {
            findings.extend(of_missing_topic(&self.settings, layout));
        }
        let server = "Kafka".to_owned();
        Ok(BrokerReport { server, version: None, round_trip, clock_ahead: None, laid_out, findings })
    }

    async fn topic(&self, layout: Layout) -> Result<Vec<Finding>, AnyError> {
        let name = self.settings.topic();
        let described = match topic::describe(&self.admin, &self.settings).await {
            Ok(described) => described,
            Err(error) if is_hidden(&error) => {
                let mut findings = of_layout(&name, layout, None);
                findings.push(hidden(&name, &error.to_string()));
                return Ok(findings);
            }
            Err(error) => return Err(error.into()),
        };
        let mut findings = of_layout(&name, layout, described.as_ref());
        findings.extend(described.iter().flat_map(|config| of_topic(&self.settings, layout, config)));
        Ok(findings)
    }

    /// Where the topic is kept.
    async fn layout(&self) -> Result<Layout, AnyError> {
        let (client, name) = (self.client.clone(), self.settings.topic());
        let looked = tokio::task::spawn_blocking(move || look(&client, &name)).await?;
        Ok(looked?)
    }
}

/// Asks the brokers where the topic is. Blocks.
fn look(client: &BaseConsumer<LogContext>, name: &str) -> KafkaResult<Layout> {
    while client.poll(Duration::ZERO).is_some() {}
    let metadata = client.fetch_metadata(Some(name), TIMEOUT).map_err(|error| explain(client, error))?;
    let brokers = metadata.brokers().len();
    let nothing = Layout { brokers, replicas: 0, in_sync: 0 };
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(nothing) };
    if let Some(error) = topic.error() {
        let code = RDKafkaErrorCode::from(error);
        return if is_missing(code) { Ok(nothing) } else { Err(KafkaError::MetadataFetch(code)) };
    }
    let least = |count: fn(&rdkafka::metadata::MetadataPartition) -> usize| {
        topic.partitions().iter().map(count).min().unwrap_or(0)
    };
    let replicas = least(|partition| partition.replicas().len());
    Ok(Layout { brokers, replicas, in_sync: least(|partition| partition.isr().len()) })
}
