use std::{fmt, time::Duration};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::broker::{BrokerUrl, ConnectError};

/// How a [`KafkaBroker`](super::KafkaBroker) works.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// What the names of the topic and of the groups begin with: systems with different ones do not see each other.
    pub namespace: String,
    /// In how many partitions the topic is, when it is made.
    pub partitions: u16,
    /// On how many brokers a partition is kept, when the topic is made.
    pub replication: u16,
    /// How long events are kept, when the topic is made; `None` for ever.
    pub max_age: Option<Duration>,
    /// The largest event data accepted, in bytes.
    pub max_payload: usize,
    /// How long a request or a publish may take.
    pub timeout: Duration,
}

/// Where the brokers are, and who we are to them.
#[derive(Clone)]
pub struct KafkaServers {
    /// `host:port`, with commas between.
    pub bootstrap: String,
    /// Whether TLS is spoken to them. Needs the feature `kafka-tls`.
    pub tls: bool,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// How they are told.
    pub mechanism: SaslMechanism,
}

/// How a password is told to Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SaslMechanism {
    /// As it is.
    #[default]
    Plain,
    /// As a proof that it is known, with SHA-256 (RFC 7677). Needs the feature `kafka-tls`.
    ScramSha256,
    /// The same with SHA-512. Needs the feature `kafka-tls`.
    ScramSha512,
}

impl SaslMechanism {
    /// Its registered name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }

    fn read(name: &str) -> Result<Self, String> {
        let all = [Self::Plain, Self::ScramSha256, Self::ScramSha512];
        let named = all.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name));
        match named.ok_or("sasl must be plain, scram-sha-256 or scram-sha-512")? {
            Self::Plain => Ok(Self::Plain),
            scram => with_openssl(scram),
        }
    }
}

/// Without the password.
impl fmt::Debug for KafkaServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        let mut shown = f.debug_struct("KafkaServers");
        shown.field("bootstrap", &self.bootstrap).field("tls", &self.tls);
        shown.field("user", &user).field("mechanism", &self.mechanism).finish()
    }
}

const DAY: Duration = Duration::from_secs(86_400);
const PORT: u16 = 9_092;

/// What makes `max_payload` plausible: a broker holds several such messages in memory at once.
const PAYLOAD_MAX: usize = 256 << 20;

impl Default for KafkaOptions {
    /// `activelog`, 16 partitions, one replica, 7 days, 1 MiB, 5 s.
    fn default() -> Self {
        Self {
            namespace: "activelog".to_owned(),
            partitions: 16,
            replication: 1,
            max_age: Some(DAY * 7),
            max_payload: 1 << 20,
            timeout: Duration::from_secs(5),
        }
    }
}

impl KafkaOptions {
    /// Reads a URL: where the brokers are, and the options it may hold.
    pub(super) fn read(url: &BrokerUrl) -> Result<(KafkaServers, Self), ConnectError> {
        let invalid = |reason: String| ConnectError::InvalidUrl { url: url.to_string(), reason };
        let text = url.with_secrets();
        let (servers, query) = text.split_once('?').unwrap_or((&text, ""));
        let mut options = Self::default();
        let mut servers = KafkaServers::read(servers).map_err(invalid)?;
        // The driver has no URLs: one of our own cuts the options into pairs.
        let pairs = Url::parse(&format!("kafka://options/?{query}")).map_err(|error| invalid(error.to_string()))?;
        for (key, value) in pairs.query_pairs() {
            match key.as_ref() {
                "sasl" => servers.mechanism = SaslMechanism::read(&value).map_err(invalid)?,
                _ => options.set(&key, &value).map_err(invalid)?,
            }
        }
        if servers.credentials.is_none() && servers.mechanism != SaslMechanism::default() {
            return Err(invalid("sasl needs a user: user:password@host".to_owned()));
        }
        Ok((servers, options))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "namespace" => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
                if value.is_empty() || value.len() > 100 || !value.bytes().all(plain) {
                    return Err("namespace must be 1 to 100 letters, digits, _, - and .".to_owned());
                }
                value.clone_into(&mut self.namespace);
            }
            "partitions" => {
                let number = value.parse().ok().filter(|n| (1..=1_000).contains(n));
                self.partitions = number.ok_or("partitions must be 1 to 1000")?;
            }
            "replication" => {
                let number = value.parse().ok().filter(|n| (1..=9).contains(n));
                self.replication = number.ok_or("replication must be 1 to 9")?;
            }
            "max_age" if value == "forever" => self.max_age = None,
            "max_age" => {
                let days = value.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()).filter(|days| *days > 0);
                self.max_age = Some(DAY * days.ok_or("max_age must be a number of days, such as 7d, or forever")?);
            }
            "max_payload" => {
                let bytes = value.parse().ok().filter(|n| (1_024..=PAYLOAD_MAX).contains(n));
                self.max_payload = bytes.ok_or("max_payload must be 1024 to 268435456 bytes")?;
            }
            "tls" | "ssl" | "security.protocol" => return Err("for TLS the URL begins with kafkas://".to_owned()),
            other => {
                let known = "namespace, partitions, replication, max_age, max_payload and sasl";
                return Err(format!("{other:?} is no option: there are {known}"));
            }
        }
        Ok(())
    }
}

impl KafkaServers {
    fn read(text: &str) -> Result<Self, String> {
        let (tls, rest) = match (text.strip_prefix("kafka://"), text.strip_prefix("kafkas://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (with_openssl(true)?, rest),
            (None, None) => return Err("must begin with kafka:// or kafkas://".to_owned()),
        };
        let rest = rest.trim_end_matches('/');
        let (credentials, hosts) = match rest.rsplit_once('@') {
            Some((user, hosts)) => (Some(credentials(user)?), hosts),
            None => (None, rest),
        };
        let servers: Result<Vec<String>, _> = hosts.split(',').map(server).collect();
        Ok(Self { bootstrap: servers?.join(","), tls, credentials, mechanism: SaslMechanism::default() })
    }
}

/// What the driver can only do with OpenSSL.
fn with_openssl<T>(wanted: T) -> Result<T, String> {
    if cfg!(feature = "kafka-tls") {
        return Ok(wanted);
    }
    Err("TLS and SCRAM with Kafka are not part of this build: build it with the feature \"kafka-tls\"".to_owned())
}

fn credentials(text: &str) -> Result<(String, String), &'static str> {
    let (user, password) = text.split_once(':').ok_or("a user needs a password: user:password@host")?;
    if text.contains('@') {
        return Err("user and password are said once, before the first host, and an @ in them is %40");
    }
    let decoded = |part| percent_decode_str(part).decode_utf8().map(String::from);
    match (decoded(user), decoded(password)) {
        (Ok(user), Ok(password)) => Ok((user, password)),
        _ => Err("user and password must be UTF-8, percent-encoded"),
    }
}

fn server(text: &str) -> Result<String, &'static str> {
    let form = "a broker must be host[:port]";
    let parsed = Url::parse(&format!("kafka://{text}")).map_err(|_| form)?;
    let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or("a broker has no host")?;
    match parsed.path() {
        "" => Ok(format!("{host}:{}", parsed.port().unwrap_or(PORT))),
        _ => Err("nothing may follow the brokers but ?options"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_ports_and_credentials_are_decoded() {
        let servers = KafkaServers::read("kafka://me:p%40ss:word@a,b:9093,[::1]:7/").expect("a URL");
        assert_eq!(servers.bootstrap, "a:9092,b:9093,[::1]:7");
        assert_eq!(servers.credentials, Some(("me".to_owned(), "p@ss:word".to_owned())));
        assert!(!format!("{servers:?}").contains("word"));
        for bad in [
            "kafka:a",
            "kafka://",
            "kafka://me@a",
            "kafka://a/b",
            "kafka://a:x",
            "kafka://a,,b",
            "kafkaz://a",
            "kafka://u:p@a,u:p@b",
        ] {
            assert!(KafkaServers::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tls_and_scram_are_there_or_it_is_said_what_brings_them() {
        let read = |url: &str| KafkaOptions::read(&BrokerUrl::parse(url).expect("a URL")).map(|(servers, _)| servers);
        let plain = read("kafka://me:word@a?sasl=PLAIN").expect("a URL");
        assert_eq!((plain.tls, plain.mechanism), (false, SaslMechanism::Plain));
        for url in ["kafkas://a", "kafkas://me:word@a?sasl=scram-sha-512&partitions=3"] {
            match read(url) {
                Ok(servers) => {
                    assert!(cfg!(feature = "kafka-tls") && servers.tls, "{url}");
                    assert_eq!(servers.mechanism == SaslMechanism::ScramSha512, url.contains("512"), "{url}");
                }
                Err(error) => {
                    assert!(!cfg!(feature = "kafka-tls") && error.to_string().contains("kafka-tls"), "{url}: {error}");
                }
            }
        }
        let unknown = read("kafka://a?sasl=md5").expect_err("no mechanism").to_string();
        assert!(unknown.contains("scram-sha-256"), "{unknown}");
    }

    #[test]
    fn options_are_checked() {
        let mut options = KafkaOptions::default();
        for (key, value) in [("partitions", "3"), ("replication", "3"), ("max_age", "7d"), ("max_payload", "2048")] {
            options.set(key, value).expect("an option");
        }
        assert_eq!((options.partitions, options.replication, options.max_payload), (3, 3, 2_048));
        assert_eq!(options.max_age, Some(DAY * 7));
        options.set("max_age", "forever").expect("an option");
        assert_eq!(options.max_age, None);
        for (key, value) in
            [("partitions", "0"), ("replication", "x"), ("max_age", "1"), ("tls", "true"), ("namespace", "a b")]
        {
            assert!(options.set(key, value).is_err(), "{key}={value}");
        }
    }
}
