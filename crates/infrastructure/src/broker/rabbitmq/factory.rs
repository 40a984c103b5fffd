use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerProbe};
use async_trait::async_trait;

use super::{RabbitMqBroker, RabbitMqOptions, error::is_away, link::Link, probe::RabbitMqProbe, topology::Topology};
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
        let connected = connected.map_err(|error| ConnectError::failed(url, is_away(&error), error))?;
        Ok(connected.broker())
    }

    async fn probe(&self, url: &BrokerUrl, _resources: &BrokerResources) -> Result<Arc<dyn BrokerProbe>, ConnectError> {
        let (uri, options) = RabbitMqOptions::read(url)?;
        let options = Arc::new(options);
        let reached = Link::open(uri.clone(), Arc::clone(&options), "asking").await;
        let link = reached.map_err(|error| ConnectError::failed(url, is_away(&error), error))?;
        Ok(Arc::new(RabbitMqProbe::new(uri, link, Topology::new(options))))
    }
}
