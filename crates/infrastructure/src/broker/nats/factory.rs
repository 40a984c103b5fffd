use activelog_application::ports::Broker;
use async_trait::async_trait;

use super::{NatsBroker, NatsOptions};
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError};

/// Answers to `nats:`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NatsFactory;

#[async_trait]
impl BrokerFactory for NatsFactory {
    fn check(&self, url: &BrokerUrl) -> Result<(), ConnectError> {
        NatsOptions::read(url).map(drop)
    }

    async fn connect(&self, url: &BrokerUrl, resources: &BrokerResources) -> Result<Broker, ConnectError> {
        let (servers, options) = NatsOptions::read(url)?;
        let connected = NatsBroker::connect(servers, options, resources.ids.clone()).await;
        let connected = connected.map_err(|source| ConnectError::Unavailable { url: url.to_string(), source })?;
        Ok(connected.broker())
    }
}
