use std::time::Duration;

use redis::{ConnectionInfo, IntoConnectionInfo};
use url::Url;

use crate::broker::{BrokerUrl, ConnectError};

/// How a [`RedisBroker`](super::RedisBroker) works.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// What the names of all keys begin with: systems with different ones do not see each other.
    pub namespace: String,
    /// How many entries of each stream are kept when every group has acknowledged them, for groups that come later.
    pub retain: u64,
    /// How long a command may take.
    pub timeout: Duration,
    /// The largest event data accepted, in bytes.
    pub max_payload: usize,
}

impl Default for RedisOptions {
    /// `activelog`, 100,000 entries, 5 s and 16 MiB.
    fn default() -> Self {
        Self {
            namespace: "activelog".to_owned(),
            retain: 100_000,
            timeout: Duration::from_secs(5),
            max_payload: 16 << 20,
        }
    }
}

impl RedisOptions {
    /// Reads a URL: where the server is, and the options it may hold.
    pub(super) fn read(url: &BrokerUrl) -> Result<(ConnectionInfo, Self), ConnectError> {
        let invalid = |reason: String| ConnectError::InvalidUrl { url: url.to_string(), reason };
        let mut parsed = Url::parse(&url.with_secrets()).map_err(|error| invalid(error.to_string()))?;
        let mut options = Self::default();
        for (key, value) in parsed.query_pairs() {
            match key.as_ref() {
                "namespace" => options.namespace = namespace(&value).map_err(invalid)?,
                "retain" => {
                    let number = value.parse().map_err(|_| invalid("retain must be a whole number".to_owned()))?;
                    options.retain = number;
                }
                other => return Err(invalid(format!("{other:?} is no option: there are namespace and retain"))),
            }
        }
        parsed.set_query(None);
        // The driver's own message may repeat parts of the URL.
        let reason = "must be redis[s]://[user[:password]@]host[:port][/database]";
        let info = parsed.as_str().into_connection_info().map_err(|_| invalid(reason.to_owned()))?;
        Ok((info, options))
    }
}

fn namespace(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let valid = (1..=100).contains(&text.len()) && text.bytes().all(plain);
    if valid { Ok(text.to_owned()) } else { Err("namespace must be 1 to 100 letters, digits, _, - and .".to_owned()) }
}
