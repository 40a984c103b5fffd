use std::time::Duration;

use activelog_application::ports::Durability;
use url::Url;

use super::NatsServers;
use crate::broker::{BrokerUrl, ConnectError};

/// How a [`NatsBroker`](super::NatsBroker) works.
#[derive(Debug, Clone)]
pub struct NatsOptions {
    /// The name of the stream, and what subjects and the bucket begin with: systems with different ones do not see each other.
    pub namespace: String,
    /// On how many servers the stream is kept, when it is made.
    pub replicas: usize,
    /// How long messages are kept, when the stream is made.
    pub max_age: Duration,
    /// For how long a message with the same id is stored once, when the stream is made.
    pub duplicate_window: Duration,
    /// How long a request may take.
    pub timeout: Duration,
    /// What the server keeps an acknowledged message through, which it does not tell; `None` when nobody has said so.
    pub durability: Option<Durability>,
}

const DAY: Duration = Duration::from_secs(86_400);

impl Default for NatsOptions {
    /// `activelog`, one replica, 7 days, 2 minutes, 5 s, nothing said of durability.
    fn default() -> Self {
        Self {
            namespace: "activelog".to_owned(),
            replicas: 1,
            max_age: DAY * 7,
            duplicate_window: Duration::from_secs(120),
            timeout: Duration::from_secs(5),
            durability: None,
        }
    }
}

impl NatsOptions {
    /// Reads a URL: where the servers are, and the options it may hold.
    pub(super) fn read(url: &BrokerUrl) -> Result<(NatsServers, Self), ConnectError> {
        let invalid = |reason: String| ConnectError::InvalidUrl { url: url.to_string(), reason };
        let text = url.with_secrets();
        let (servers, query) = text.split_once('?').unwrap_or((&text, ""));
        let mut options = Self::default();
        // First: where a password with a question mark in it was not encoded, what follows that is no option, and not to be told.
        let servers = NatsServers::read(servers).map_err(|reason| invalid(reason.to_owned()))?;
        // The driver has no options in URLs: a URL of its own cuts them into pairs.
        let pairs = Url::parse(&format!("nats://options/?{query}")).map_err(|error| invalid(error.to_string()))?;
        for (key, value) in pairs.query_pairs() {
            options.set(&key, &value).map_err(invalid)?;
        }
        Ok((servers, options))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "namespace" => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
                if value.is_empty() || value.len() > 100 || !value.bytes().all(plain) {
                    return Err("namespace must be 1 to 100 letters, digits, _ and -".to_owned());
                }
                value.clone_into(&mut self.namespace);
            }
            "replicas" => {
                let number = value.parse().ok().filter(|n| [1, 3, 5].contains(n));
                self.replicas = number.ok_or("replicas must be 1, 3 or 5")?;
            }
            "max_age" => {
                let days = value.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()).filter(|days| *days > 0);
                self.max_age = DAY * days.ok_or("max_age must be a number of days, such as 7d")?;
            }
            "durability" => {
                self.durability = match value {
                    "process-crash" => Some(Durability::ProcessCrash),
                    "power-loss" => Some(Durability::PowerLoss),
                    _ => return Err("durability must be process-crash or power-loss".to_owned()),
                };
            }
            other => {
                let known = "namespace, replicas, max_age and durability";
                return Err(format!("{other:?} is no option: there are {known}"));
            }
        }
        Ok(())
    }
}
