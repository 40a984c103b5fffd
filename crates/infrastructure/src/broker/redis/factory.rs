use activelog_application::ports::Broker;
use async_trait::async_trait;

use super::{RedisBroker, RedisOptions};
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError};

/// Answers to `redis:` and `rediss:`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RedisFactory;

#[async_trait]
impl BrokerFactory for RedisFactory {
    fn check(&self, url: &BrokerUrl) -> Result<(), ConnectError> {
        RedisOptions::read(url).map(drop)
    }

    async fn connect(&self, url: &BrokerUrl, resources: &BrokerResources) -> Result<Broker, ConnectError> {
        let (info, options) = RedisOptions::read(url)?;
        let connected = RedisBroker::connect(info, options, resources.ids.clone()).await;
        let connected = connected.map_err(|error| {
            let away = error.is_connection_refusal() || error.is_timeout() || error.is_connection_dropped();
            ConnectError::failed(url, away, error)
        })?;
        Ok(connected.broker())
    }
}
