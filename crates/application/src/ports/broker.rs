use std::{sync::Arc, time::Duration};

use super::{BrokerProbe, EventPublisher, EventSubscriber};

/// What an acknowledged publish survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Nothing: it lives in the memory of a process.
    None,
    /// A kill of the broker's process.
    ProcessCrash,
    /// A loss of power.
    PowerLoss,
}

impl Durability {
    /// What is survived, in words: `a loss of power`.
    pub fn survived(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::ProcessCrash => "a crash of its process",
            Self::PowerLoss => "a loss of power",
        }
    }
}

/// In which order events of one group arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderingGuarantee {
    /// Any.
    None,
    /// Events with the same partition key in the order they were published.
    PerKey,
}

/// What a broker can do. Tests and code branch on these, never on a broker's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerCapabilities {
    /// What an acknowledged publish survives.
    pub durability: Durability,
    /// In which order events arrive.
    pub ordering: OrderingGuarantee,
    /// Whether a new group gets events published before it subscribed.
    pub replay: bool,
    /// Whether the broker itself selects by wildcard; otherwise the adapter fetches everything and drops the rest.
    pub wildcard: bool,
    /// The largest event data accepted, in bytes.
    pub max_payload: usize,
    /// Whether `nack` with a delay is kept by the broker, so that the delay survives the consumer.
    pub native_delay: bool,
    /// Whether an event that is published again under the same id, within two minutes at least, is stored once. Elsewhere it may come twice.
    pub deduplicates: bool,
    /// Whether several processes share it. One that lives within a process cannot connect a relay and a worker that run apart.
    pub spans_processes: bool,
    /// Whether deliveries come from the journal: the relay then need not publish, as moving events to the journal is
    /// publishing them.
    pub delivers_from_journal: bool,
}

/// How a broker connection is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerHealth {
    /// It works.
    Up,
    /// It does not at the moment, and heals by itself when it can; the reason is for people.
    Degraded(String),
    /// It has been closed.
    Closed,
}

/// How far a consumer group is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lag {
    /// Events published and not yet acknowledged.
    pub events: u64,
    /// How old the oldest of them is, where the broker can tell: since it was stored there, or by the event's own time where the broker keeps no other.
    pub age: Option<Duration>,
}

/// Both ends of one broker.
#[derive(Clone)]
pub struct Broker {
    /// The name of the adapter: `memory`, `database`.
    pub name: &'static str,
    /// What it can do.
    pub capabilities: BrokerCapabilities,
    /// Where events go in.
    pub publisher: Arc<dyn EventPublisher>,
    /// Where they come out.
    pub subscriber: Arc<dyn EventSubscriber>,
    /// What asks the server how it is.
    pub probe: Arc<dyn BrokerProbe>,
}
