use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use activelog_application::ports::{Broker, BrokerProbe, GroupPositions, IdGenerator, Journal, LeaseStore, Signal};
use async_trait::async_trait;

use super::{database::DatabaseFactory, memory::MemoryFactory};

/// Connects an adapter to a URL of one of its schemes.
#[async_trait]
pub trait BrokerFactory: Send + Sync + 'static {
    /// Fails for a URL that will never work, as far as it tells by itself. Touches nothing.
    fn check(&self, url: &BrokerUrl) -> Result<(), ConnectError> {
        let _ = url;
        Ok(())
    }

    /// Connects. Fails for a URL that will never work and for a broker that cannot be reached at this moment.
    async fn connect(&self, url: &BrokerUrl, resources: &BrokerResources) -> Result<Broker, ConnectError>;

    /// Connects for asking alone, and makes nothing. For adapters that make something when they [`connect`](Self::connect).
    async fn probe(&self, url: &BrokerUrl, resources: &BrokerResources) -> Result<Arc<dyn BrokerProbe>, ConnectError> {
        Ok(self.connect(url, resources).await?.probe)
    }
}

/// What of the application an adapter may build on.
#[derive(Clone)]
pub struct BrokerResources {
    /// Names streams and members.
    pub ids: Arc<dyn IdGenerator>,
    /// The database's journal, where there is a database: what `database:` delivers from.
    pub journal: Option<JournalResources>,
}

/// The storage ports that `database:` works on.
#[derive(Clone)]
pub struct JournalResources {
    /// The log of published events.
    pub journal: Arc<dyn Journal>,
    /// How far the groups are.
    pub positions: Arc<dyn GroupPositions>,
    /// Who of a group reads which partition.
    pub leases: Arc<dyn LeaseStore>,
    /// Rings when the journal has grown.
    pub signal: Signal,
}

/// A broker's URL, cut into what chooses the adapter and what is the adapter's business.
#[derive(Clone)]
pub struct BrokerUrl {
    scheme: String,
    rest: String,
}

/// A broker could not be connected. Never holds what could be a password.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text has no scheme.
    #[error("broker URL has no scheme; known are {known}, for example `database:`")]
    NoScheme {
        /// The known schemes.
        known: String,
    },
    /// Nobody has heard of the scheme.
    #[error("unknown broker scheme {scheme:?}{}; known are {known}", hint(.nearest.as_deref()))]
    UnknownScheme {
        /// What was given.
        scheme: String,
        /// The known scheme it looks like, if any.
        nearest: Option<String>,
        /// The known schemes.
        known: String,
    },
    /// The adapter is not part of this build.
    #[error("broker scheme {scheme:?}: compiled without {feature}: rebuild with --features {feature}")]
    NotCompiled {
        /// What was given.
        scheme: String,
        /// The feature that brings the adapter.
        feature: &'static str,
    },
    /// The adapter does not understand the URL.
    #[error("broker URL {url}: {reason}")]
    InvalidUrl {
        /// The URL, without secrets.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The broker needs something this process does not have.
    #[error("broker {url} needs {what}")]
    Missing {
        /// The URL, without secrets.
        url: String,
        /// What is missing, and how to give it.
        what: &'static str,
    },
    /// Nobody answers there at the moment: the same may work later.
    #[error("broker {url} cannot be reached: {source}")]
    Away {
        /// The URL, without secrets.
        url: String,
        /// What the driver said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The broker cannot be connected: it refuses, is not trusted, or lacks what is needed.
    #[error("broker {url} cannot be reached: {source}")]
    Unavailable {
        /// The URL, without secrets.
        url: String,
        /// What the driver said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ConnectError {
    /// Connecting has failed; `away` when it is because nobody answers.
    #[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
    pub(super) fn failed(url: &BrokerUrl, away: bool, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let (url, source) = (url.to_string(), source.into());
        if away { Self::Away { url, source } } else { Self::Unavailable { url, source } }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|scheme| format!(" (did you mean {scheme:?}?)")).unwrap_or_default()
}

/// The adapters of this build: schemes, the feature that brings them, and the adapter itself when it is there.
const BUILT_IN: &[(&[&str], &str, Option<&'static dyn BrokerFactory>)] = &[
    (&["memory"], "memory", Some(&MemoryFactory)),
    (&["database"], "database", Some(&DatabaseFactory)),
    (&["socket"], "socket", None),
    #[cfg(feature = "rabbitmq")]
    (&["amqp", "amqps"], "rabbitmq", Some(&super::rabbitmq::RabbitMqFactory)),
    #[cfg(not(feature = "rabbitmq"))]
    (&["amqp", "amqps"], "rabbitmq", None),
    #[cfg(feature = "kafka")]
    (&["kafka", "kafkas"], "kafka", Some(&super::kafka::KafkaFactory)),
    #[cfg(not(feature = "kafka"))]
    (&["kafka", "kafkas"], "kafka", None),
    #[cfg(feature = "redis")]
    (&["redis", "rediss"], "redis", Some(&super::redis::RedisFactory)),
    #[cfg(not(feature = "redis"))]
    (&["redis", "rediss"], "redis", None),
    #[cfg(feature = "nats")]
    (&["nats", "tls"], "nats", Some(&super::nats::NatsFactory)),
    #[cfg(not(feature = "nats"))]
    (&["nats", "tls"], "nats", None),
];

/// Chooses a broker adapter by the scheme of a URL.
#[derive(Clone, Default)]
pub struct BrokerRegistry {
    schemes: BTreeMap<String, Registered>,
}

#[derive(Clone)]
enum Registered {
    BuiltIn(&'static dyn BrokerFactory),
    Added(Arc<dyn BrokerFactory>),
    NotCompiled(&'static str),
}

impl BrokerRegistry {
    /// A registry that knows no scheme.
    pub fn new() -> Self {
        Self::default()
    }

    /// The adapters of this build, and the names of those it was built without.
    pub fn with_builtin() -> Self {
        let mut registry = Self::new();
        for (schemes, feature, factory) in BUILT_IN {
            for scheme in *schemes {
                let entry = factory.map_or(Registered::NotCompiled(feature), Registered::BuiltIn);
                registry.schemes.insert((*scheme).to_owned(), entry);
            }
        }
        registry
    }

    /// Adds an adapter of one's own, or replaces one.
    #[must_use]
    pub fn with(mut self, scheme: &str, factory: Arc<dyn BrokerFactory>) -> Self {
        self.schemes.insert(scheme.to_ascii_lowercase(), Registered::Added(factory));
        self
    }

    /// Fails when `url` can never be connected: it has no scheme, or one that no adapter of this build answers to or can read.
    /// Touches nothing.
    pub fn check(&self, url: &str) -> Result<(), ConnectError> {
        let (url, factory) = self.find(url)?;
        factory.check(&url)
    }

    /// Connects to the broker at `url`.
    pub async fn connect(&self, url: &str, resources: BrokerResources) -> Result<Broker, ConnectError> {
        let (url, factory) = self.find(url)?;
        factory.connect(&url, &resources).await
    }

    /// Connects to the broker at `url` for asking alone: nothing is made there.
    pub async fn probe(&self, url: &str, resources: BrokerResources) -> Result<Arc<dyn BrokerProbe>, ConnectError> {
        let (url, factory) = self.find(url)?;
        factory.probe(&url, &resources).await
    }

    fn find(&self, url: &str) -> Result<(BrokerUrl, &dyn BrokerFactory), ConnectError> {
        let url = BrokerUrl::parse(url).ok_or_else(|| ConnectError::NoScheme { known: self.known() })?;
        if url.tells_a_secret() {
            let reason =
                "there is an @ among the options: in user and password a ? is written %3F, and an @ %40".to_owned();
            return Err(ConnectError::InvalidUrl { url: url.to_string(), reason });
        }
        match self.schemes.get(&url.scheme) {
            Some(Registered::BuiltIn(factory)) => Ok((url, *factory)),
            Some(Registered::Added(factory)) => Ok((url, factory.as_ref())),
            Some(Registered::NotCompiled(feature)) => Err(ConnectError::NotCompiled { scheme: url.scheme, feature }),
            None => Err(ConnectError::UnknownScheme {
                nearest: self.nearest(&url.scheme),
                known: self.known(),
                scheme: url.scheme,
            }),
        }
    }

    fn known(&self) -> String {
        self.schemes.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The known scheme that looks most like `scheme`, if any does.
    fn nearest(&self, scheme: &str) -> Option<String> {
        const ALIKE: f64 = 0.7;
        self.schemes
            .keys()
            .map(|known| (strsim::jaro_winkler(known, scheme), known))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known.clone())
    }
}

impl BrokerUrl {
    /// Cuts a URL at its scheme. `None` without one.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.trim().split_once(':')?;
        let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        named.then(|| Self { scheme: scheme.to_ascii_lowercase(), rest: rest.to_owned() })
    }

    /// Whether a part of user or password seems to be among the options, which are shown when they are wrong.
    fn tells_a_secret(&self) -> bool {
        let options = self.rest.strip_prefix("//").and_then(|rest| rest.split_once('?'));
        options.is_some_and(|(_, options)| options.contains('@'))
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The whole URL, secrets included: for the driver only.
    pub fn with_secrets(&self) -> String {
        format!("{}:{}", self.scheme, self.rest)
    }

    /// Refuses anything after the scheme's colon, for adapters that take nothing.
    pub fn refuse_rest(&self) -> Result<(), ConnectError> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(ConnectError::InvalidUrl {
                url: self.to_string(),
                reason: format!("nothing may follow `{}:`", self.scheme),
            }),
        }
    }
}

/// Without what could be a secret: user, password, path and query are left out.
impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rest) = self.rest.strip_prefix("//") else {
            return write!(f, "{}:{}", self.scheme, if self.rest.is_empty() { "" } else { "…" });
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let hosts = match authority.rsplit_once('@') {
            Some((_, hosts)) => hosts,
            // A password that was not encoded may hold what looks like the start of a path.
            None if rest.contains('@') => "…",
            None => authority,
        };
        write!(f, "{}://{hosts}", self.scheme)
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
