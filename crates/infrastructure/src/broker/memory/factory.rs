use activelog_application::ports::Broker;
use async_trait::async_trait;

use super::MemoryBroker;
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError};

/// Answers to `memory:`. Every connection is a broker of its own: share the [`Broker`], not the URL.
#[derive(Debug, Clone, Copy, Default)]
pub struct MemoryFactory;

#[async_trait]
impl BrokerFactory for MemoryFactory {
    async fn connect(&self, url: &BrokerUrl, _resources: &BrokerResources) -> Result<Broker, ConnectError> {
        url.refuse_rest()?;
        Ok(MemoryBroker::default().broker())
    }
}
