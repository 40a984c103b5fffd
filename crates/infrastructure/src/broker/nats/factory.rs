use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerProbe};
use async_trait::async_trait;

use super::{NatsBroker, NatsOptions, connection::Connection, probe::NatsProbe};
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError, probing::nobody_answers};

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
        let connected = connected.map_err(|error| ConnectError::failed(url, nobody_answers(&*error), error))?;
        Ok(connected.broker())
    }

    async fn probe(&self, url: &BrokerUrl, _resources: &BrokerResources) -> Result<Arc<dyn BrokerProbe>, ConnectError> {
        let (servers, options) = NatsOptions::read(url)?;
        let reached = Connection::reach(servers, options).await;
        let reached = reached.map_err(|error| ConnectError::failed(url, nobody_answers(&*error), error))?;
        Ok(Arc::new(NatsProbe(reached)))
    }
}
