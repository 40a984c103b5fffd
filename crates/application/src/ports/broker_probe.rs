use std::{error::Error, time::Duration};

use async_trait::async_trait;
use jiff::SignedDuration;

use super::Finding;

/// Asks the server behind a broker what it is, and whether its settings keep the promise.
///
/// - **The real server** is asked, each time; nothing is answered from memory but what cannot change.
/// - **Nothing is made or changed**: no stream, topic, queue or group; no event is published that anybody could get.
/// - **Bounded**: it answers within ten seconds, or fails.
/// - **Cancellation**: a dropped call leaves nothing behind. Calls at the same time are allowed, and get in nobody's way.
/// - **No secrets**: neither report nor error holds any part of the credentials.
/// - **Errors** mean that the server did not answer. What it answers, however bad, is a report.
#[async_trait]
pub trait BrokerProbe: Send + Sync + 'static {
    /// Asks. `group` is the consumer group whose part of the server is looked at, where groups have one; it need not exist.
    async fn probe(&self, group: &str) -> Result<BrokerReport, ProbeError>;
}

/// What a broker has told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerReport {
    /// What the server is: `Redis`, `RabbitMQ`.
    pub server: String,
    /// Its version, where it tells.
    pub version: Option<String>,
    /// How long it took to answer the simplest request.
    pub round_trip: Duration,
    /// How far its clock is ahead of this machine's, where it tells the time.
    pub clock_ahead: Option<SignedDuration>,
    /// Whether everything is there that connecting would make.
    pub laid_out: bool,
    /// What was found: the settings that weaken or break the promise, and what is good to know.
    pub findings: Vec<Finding>,
}

impl BrokerReport {
    /// Server and version: `Redis 7.0.15`.
    pub fn product(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.server),
            None => self.server.clone(),
        }
    }
}

/// The server did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the broker does not answer: {0}")]
pub struct ProbeError(#[source] pub Box<dyn Error + Send + Sync>);
