use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_application::ports::{
    Broker, BrokerCapabilities, Durability, GroupPositions, IdGenerator, Journal, LeaseStore, OrderingGuarantee, Signal,
};

use super::{DatabasePublisher, DatabaseSubscriber};

/// Bounds and intervals of a [`DatabaseBroker`].
#[derive(Debug, Clone)]
pub struct DatabaseOptions {
    /// How long a silent member keeps its partitions. Heartbeats come three times as often, so that a dead member is
    /// followed within four thirds of this.
    pub lease_ttl: Duration,
    /// How long a partition that goes to another member waits for its unsettled events.
    pub drain_timeout: Duration,
    /// How long closing a stream tries to write its last positions.
    pub close_timeout: Duration,
    /// How often the journal is looked at when its signal is silent: other processes cannot ring it.
    pub poll: Duration,
    /// The largest event data accepted, in bytes.
    pub max_payload: usize,
    /// About how many bytes of events a stream holds before it stops reading.
    pub read_ahead_bytes: usize,
}

impl Default for DatabaseOptions {
    /// Leases of 3 s (a dead member is followed within 4 s), 10 s to drain, 5 s to close, a poll each 200 ms, 16 MiB of data in
    /// one event and 16 MiB read ahead.
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_secs(3),
            drain_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            poll: Duration::from_millis(200),
            max_payload: 16 << 20,
            read_ahead_bytes: 16 << 20,
        }
    }
}

/// The broker on the journal. Clones are the same broker.
#[derive(Clone)]
pub struct DatabaseBroker {
    pub(super) parts: Arc<Parts>,
}

/// What publishers, subscribers and streams share.
pub(super) struct Parts {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) positions: Arc<dyn GroupPositions>,
    pub(super) leases: Arc<dyn LeaseStore>,
    pub(super) signal: Signal,
    pub(super) ids: Arc<dyn IdGenerator>,
    pub(super) options: DatabaseOptions,
    members: Mutex<HashMap<String, Signal>>,
}

impl Parts {
    /// Rings when the members of a group in this process change, so that they share out its partitions without waiting for the
    /// next heartbeat.
    pub(super) fn members_changed(&self, group: &str) -> Signal {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.entry(group.to_owned()).or_default().clone()
    }
}

impl DatabaseBroker {
    /// A broker on these ports. `signal` is the one the journal rings.
    pub fn new(
        journal: Arc<dyn Journal>,
        positions: Arc<dyn GroupPositions>,
        leases: Arc<dyn LeaseStore>,
        signal: Signal,
        ids: Arc<dyn IdGenerator>,
        options: DatabaseOptions,
    ) -> Self {
        let members = Mutex::default();
        Self { parts: Arc::new(Parts { journal, positions, leases, signal, ids, options, members }) }
    }

    /// A connection: its publisher and subscriber are closed on their own.
    pub fn broker(&self) -> Broker {
        Broker {
            name: "database",
            capabilities: BrokerCapabilities {
                durability: Durability::PowerLoss,
                ordering: OrderingGuarantee::PerKey,
                replay: true,
                wildcard: true,
                max_payload: self.parts.options.max_payload,
                native_delay: false,
                spans_processes: true,
                delivers_from_journal: true,
            },
            publisher: Arc::new(DatabasePublisher::new(Arc::clone(&self.parts))),
            subscriber: Arc::new(DatabaseSubscriber::new(Arc::clone(&self.parts))),
        }
    }
}
