use std::sync::Arc;

use activelog_application::ports::{Broker, BrokerCapabilities, Durability, OrderingGuarantee};
use activelog_domain::event::EventEnvelope;

use super::{MemoryPublisher, MemorySubscriber, core::Core, probe::MemoryProbe};

/// The bounds of a [`MemoryBroker`].
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    /// The most events the history keeps, at least 1.
    pub history_events: usize,
    /// The most bytes the history keeps. A single event may be larger: it then stands alone.
    pub history_bytes: usize,
    /// The largest event data accepted, in bytes.
    pub max_payload: usize,
}

impl Default for MemoryOptions {
    /// 100,000 events, 64 MiB, 16 MiB of data in one event.
    fn default() -> Self {
        Self { history_events: 100_000, history_bytes: 64 << 20, max_payload: 16 << 20 }
    }
}

/// A broker in the memory of this process. Clones are the same broker.
#[derive(Debug, Clone)]
pub struct MemoryBroker {
    core: Arc<Core>,
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl MemoryBroker {
    /// An empty broker.
    pub fn new(options: MemoryOptions) -> Self {
        Self { core: Arc::new(Core::new(options)) }
    }

    /// A connection: its publisher and subscriber are closed on their own, groups and events are the broker's.
    pub fn broker(&self) -> Broker {
        Broker {
            name: "memory",
            capabilities: self.capabilities(),
            publisher: Arc::new(MemoryPublisher::new(Arc::clone(&self.core))),
            subscriber: Arc::new(MemorySubscriber::new(Arc::clone(&self.core))),
            probe: Arc::new(MemoryProbe),
        }
    }

    /// What it can do.
    pub fn capabilities(&self) -> BrokerCapabilities {
        BrokerCapabilities {
            durability: Durability::None,
            ordering: OrderingGuarantee::PerKey,
            replay: true,
            wildcard: true,
            max_payload: self.core.options.max_payload,
            native_delay: true,
            deduplicates: false,
            spans_processes: false,
            delivers_from_journal: false,
        }
    }

    /// What has been published since the start or the last [`clear`](Self::clear), as far as the history still has it, in order.
    pub fn published(&self) -> Vec<EventEnvelope> {
        let events = self.core.lock().recorded();
        events.iter().map(|event| EventEnvelope::clone(event)).collect()
    }

    /// Forgets what [`published`](Self::published) shows. Deliveries are not touched.
    pub fn clear(&self) {
        self.core.lock().forget_recorded();
    }
}
