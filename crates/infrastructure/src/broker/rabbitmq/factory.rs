use activelog_application::ports::Broker;
use async_trait::async_trait;

use super::{RabbitMqBroker, RabbitMqOptions};
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError};

/// Answers to `amqp:` and `amqps:`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RabbitMqFactory;

#[async_trait]
impl BrokerFactory for RabbitMqFactory {
    fn check(&self, url: &BrokerUrl) -> Result<(), ConnectError> {
        RabbitMqOptions::read(url).map(drop)
    }

    async fn connect(&self, url: &BrokerUrl, resources: &BrokerResources) -> Result<Broker, ConnectError> {
        let (uri, options) = RabbitMqOptions::read(url)?;
        let connected = RabbitMqBroker::connect(uri, options, resources.ids.clone()).await;
        let connected = connected.map_err(|source| ConnectError::Unavailable { url: url.to_string(), source })?;
        Ok(connected.broker())
    }
}
