use std::{sync::Arc, time::Duration};

use activelog_application::ports::{
    Broker, BrokerCapabilities, Durability, GroupPositions, IdGenerator, Journal, LeaseStore, OrderingGuarantee, Signal,
};

use super::{DatabasePublisher, journal_log::JournalLog, probe::DatabaseProbe};
use crate::broker::partitioned::{GroupLog, LogOptions, LogSubscriber};

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
        let LogOptions { lease_ttl, drain_timeout, close_timeout, poll, read_ahead_bytes, .. } = LogOptions::default();
        Self { lease_ttl, drain_timeout, close_timeout, poll, max_payload: 16 << 20, read_ahead_bytes }
    }
}

/// The broker on the journal. Clones are the same broker.
#[derive(Clone)]
pub struct DatabaseBroker {
    journal: Arc<dyn Journal>,
    groups: Arc<GroupLog>,
    max_payload: usize,
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
        let DatabaseOptions { lease_ttl, drain_timeout, close_timeout, poll, max_payload, read_ahead_bytes } = options;
        let options =
            LogOptions { lease_ttl, drain_timeout, close_timeout, poll, read_ahead_bytes, ..LogOptions::default() };
        let log = Arc::new(JournalLog(Arc::clone(&journal)));
        let groups = Arc::new(GroupLog::new(log, positions, leases, signal, ids, options));
        Self { journal, groups, max_payload }
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
                max_payload: self.max_payload,
                native_delay: false,
                deduplicates: true,
                spans_processes: true,
                delivers_from_journal: true,
            },
            publisher: Arc::new(DatabasePublisher::new(Arc::clone(&self.journal), self.max_payload)),
            subscriber: Arc::new(LogSubscriber::new(Arc::clone(&self.groups))),
            probe: Arc::new(DatabaseProbe(Arc::clone(&self.journal))),
        }
    }
}
