use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerProbe};
use async_trait::async_trait;

use super::{KafkaBroker, KafkaOptions, config::Settings, error::is_refusal, probe::KafkaProbe};
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

    /// Whether a broker is there is seen by asking: the driver connects when it has something to ask.
    async fn probe(&self, url: &BrokerUrl, _resources: &BrokerResources) -> Result<Arc<dyn BrokerProbe>, ConnectError> {
        let (servers, options) = KafkaOptions::read(url)?;
        let probe = KafkaProbe::new(Settings::new(servers, options));
        let probe =
            probe.map_err(|error| ConnectError::Unavailable { url: url.to_string(), source: Box::new(error) })?;
        Ok(Arc::new(probe))
    }
}
