use std::time::Duration;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::broker::{BrokerUrl, ConnectError};

/// How a [`RabbitMqBroker`](super::RabbitMqBroker) works.
#[derive(Debug, Clone)]
pub struct RabbitMqOptions {
    /// What the names of exchanges and queues begin with: systems with different ones do not see each other.
    pub namespace: String,
    /// How many unacknowledged events the server hands out of each of a group's queues: the bound on memory.
    pub window: u16,
    /// How often, in seconds, each side has to show that it is there. Silence of twice as long ends a connection.
    pub heartbeat: u16,
    /// How long a request may take.
    pub timeout: Duration,
    /// The largest event data accepted, in bytes.
    pub max_payload: usize,
}

impl Default for RabbitMqOptions {
    /// `activelog`, 128 events of each queue, heartbeats each 5 s, 5 s, 16 MiB.
    fn default() -> Self {
        Self {
            namespace: "activelog".to_owned(),
            window: 128,
            heartbeat: 5,
            timeout: Duration::from_secs(5),
            max_payload: 16 << 20,
        }
    }
}

const FORM: &str = "must be amqp[s]://[user[:password]@]host[:port][/virtual-host]";

impl RabbitMqOptions {
    /// Reads a URL: where the server is, and the options it may hold.
    pub(super) fn read(url: &BrokerUrl) -> Result<(AMQPUri, Self), ConnectError> {
        let invalid = |reason: String| ConnectError::InvalidUrl { url: url.to_string(), reason };
        let parsed = Url::parse(&url.with_secrets()).map_err(|error| invalid(error.to_string()))?;
        let mut options = Self::default();
        for (key, value) in parsed.query_pairs() {
            options.set(&key, &value).map_err(invalid)?;
        }
        let uri = uri(&parsed, &options).ok_or_else(|| invalid(FORM.to_owned()))?;
        Ok((uri, options))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let number = |least: u16, most: u16| {
            let number = value.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("{key} must be a number from {least} to {most}"))
        };
        match key {
            "namespace" => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
                if !(1..=100).contains(&value.len()) || !value.bytes().all(plain) {
                    return Err("namespace must be 1 to 100 letters, digits, _, - and .".to_owned());
                }
                value.clone_into(&mut self.namespace);
            }
            "window" => self.window = number(1, 10_000)?,
            "heartbeat" => self.heartbeat = number(1, 60)?,
            other => return Err(format!("{other:?} is no option: there are namespace, window and heartbeat")),
        }
        Ok(())
    }
}

/// Not by the driver's own reading, which takes another host where it does not understand one, and tells the password in its errors.
fn uri(url: &Url, options: &RabbitMqOptions) -> Option<AMQPUri> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    let (scheme, port) = match url.scheme() {
        "amqp" => (AMQPScheme::AMQP, 5672),
        "amqps" => (AMQPScheme::AMQPS, 5671),
        _ => return None,
    };
    let host = match url.host()? {
        Host::Ipv6(address) => address.to_string(),
        // IPv4 addresses come as names: the scheme is none that the URL standard knows.
        other => decoded(&other.to_string())?,
    };
    let username = Some(url.username()).filter(|name| !name.is_empty()).unwrap_or("guest");
    let vhost = decoded(url.path().trim_start_matches('/'))?;
    Some(AMQPUri {
        scheme,
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: decoded(username)?,
                password: decoded(url.password().unwrap_or("guest"))?,
            },
            host: Some(host).filter(|host| !host.is_empty())?,
            port: url.port().unwrap_or(port),
        },
        vhost: if vhost.is_empty() { "/".to_owned() } else { vhost },
        query: AMQPQueryString { heartbeat: Some(options.heartbeat), ..AMQPQueryString::default() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Option<AMQPUri> {
        uri(&Url::parse(url).expect("a URL"), &RabbitMqOptions::default())
    }

    #[test]
    fn urls_are_read_as_they_are_meant() {
        let full = read("amqps://us%65r:p%40ss@[::1]:7/a%2Fb").expect("a URL of RabbitMQ");
        assert_eq!((full.authority.host.as_str(), full.authority.port, full.vhost.as_str()), ("::1", 7, "a/b"));
        let AMQPUserInfo { username, password } = full.authority.userinfo;
        assert_eq!((username.as_str(), password.as_str()), ("user", "p@ss"));
        for short in ["amqp://127.0.0.1", "amqp://127.0.0.1/"] {
            let short = read(short).expect("a URL of RabbitMQ");
            assert_eq!((short.authority.host.as_str(), short.authority.port), ("127.0.0.1", 5672));
            assert_eq!((short.vhost.as_str(), short.authority.userinfo.username.as_str()), ("/", "guest"));
        }
        assert_eq!(read("amqp:host"), None);
    }
}
