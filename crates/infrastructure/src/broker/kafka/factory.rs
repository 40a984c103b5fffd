use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerProbe};
use async_trait::async_trait;

use super::{
    KafkaBroker, KafkaOptions,
    config::Settings,
    error::{is_away, is_distrust, is_refusal},
    probe::KafkaProbe,
};
use crate::broker::{BrokerFactory, BrokerResources, BrokerUrl, ConnectError};

/// What it may be when there is no TLS: the driver tells only that.
const NO_TLS: &str = "the server speaks no TLS on this port, or its certificate is for another name, too old, or from an authority that is not trusted here (SSL_CERT_FILE \
                      names the authority's certificate)";

/// Answers to `kafka:` and `kafkas:`.
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
            let away = is_away(&error);
            let reason = match () {
                () if is_refusal(&error) => format!("{error}: user or password are wrong"),
                () if is_distrust(&error) => format!("{error}: {NO_TLS}"),
                () if away => format!("no broker answers there ({error})"),
                () => error.to_string(),
            };
            ConnectError::failed(url, away, reason)
        })?;
        Ok(connected.broker())
    }

    /// Whether a broker is there is seen by asking: the driver connects when it has something to ask.
    async fn probe(&self, url: &BrokerUrl, _resources: &BrokerResources) -> Result<Arc<dyn BrokerProbe>, ConnectError> {
        let (servers, options) = KafkaOptions::read(url)?;
        let probe = KafkaProbe::new(Settings::new(servers, options));
        let probe = probe.map_err(|error| ConnectError::failed(url, false, error))?;
        Ok(Arc::new(probe))
    }
}
