use activelog_application::ports::Broker;
use async_trait::async_trait;

use super::{KafkaBroker, KafkaOptions, error::is_refusal};
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError};

/// Answers to `kafka:`.
#[derive(Debug, Clone, Copy, Default)]
pub struct KafkaFactory;

#[async_trait]
impl BrokerFactory for KafkaFactory {
    fn check(&self, url: &BrokerUrl) -> Result<(), ConnectError> {
        KafkaOptions::read(url).map(drop)
    }

    async fn connect(&self, url: &BrokerUrl, resources: &BrokerResources) -> Result<Broker, ConnectError> {
        let (servers, options) = KafkaOptions::read(url)?;
        let connected = KafkaBroker::connect(servers, options, resources.ids.clone()).await;
        let connected = connected.map_err(|error| {
            let source =
                if is_refusal(&error) { format!("{error}: user or password are wrong").into() } else { error.into() };
            ConnectError::Unavailable { url: url.to_string(), source }
        })?;
        Ok(connected.broker())
    }
}
