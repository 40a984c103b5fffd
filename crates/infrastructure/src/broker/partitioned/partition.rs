use std::sync::Arc;

use activelog_application::ports::{Lease, Subscription};
use activelog_domain::event::EventEnvelope;
use tokio::time::Instant;

use super::group_log::LogEntry;
use crate::broker::{
    contiguous_ack::ContiguousAck,
    keyed_queue::{Holder, KeyedQueue, Taken},
};

/// A stream is the only one that takes from its partitions.
const HOLDER: Holder = 0;

/// A partition this stream owns: what was read of it and not acknowledged, and how far the group is.
#[derive(Debug)]
pub(super) struct OwnedPartition {
    pub(super) lease: Lease,
    /// Tells this ownership from an earlier one of the same partition, whose settlements are ignored.
    pub(super) generation: u64,
    /// The last position read.
    pub(super) read_to: u64,
    /// The last position written as the group's.
    pub(super) persisted: u64,
    /// Set when the partition goes to another member: until then its unsettled events are waited for.
    pub(super) drain_until: Option<Instant>,
    pub(super) bytes: usize,
    queue: KeyedQueue<Arc<EventEnvelope>>,
    acks: ContiguousAck,
}

impl OwnedPartition {
    pub(super) fn new(lease: Lease, generation: u64, position: u64) -> Self {
        Self {
            lease,
            generation,
            read_to: position,
            persisted: position,
            drain_until: None,
            bytes: 0,
            queue: KeyedQueue::default(),
            acks: ContiguousAck::new(position),
        }
    }

    /// Takes in a page that follows what was read. Events nobody here wants count as acknowledged, and so do positions
    /// that retention has removed.
    pub(super) fn accept(&mut self, entries: Vec<LogEntry>, subscription: &Subscription) {
        for entry in entries {
            let position = entry.position;
            if position <= self.read_to {
                continue;
            }
            self.acks.acknowledge_range(self.read_to + 1, position - 1);
            self.read_to = position;
            let Some(event) = entry.event.filter(|event| subscription.wants(&event.name)) else {
                self.acks.acknowledge(position);
                continue;
            };
            self.bytes += event.size();
            self.queue.offer(position, &event.partition_key, Arc::clone(&event));
        }
    }

    /// The next event that may go out, unless the partition is on its way to another member.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Taken, Arc<EventEnvelope>)> {
        if self.drain_until.is_some() {
            return None;
        }
        let taken = self.queue.take(HOLDER, now)?;
        self.queue.get(taken.id).map(|event| (taken, Arc::clone(event)))
    }

    /// Acknowledges a delivery. The event, to be dropped outside the lock; `None` if it is no longer out.
    pub(super) fn acknowledge(&mut self, taken: Taken) -> Option<Arc<EventEnvelope>> {
        let event = self.queue.acknowledge(HOLDER, taken)?;
        self.acks.acknowledge(taken.id);
        self.bytes -= event.size();
        Some(event)
    }

    /// Gives a delivery back. `false` if it is no longer out.
    pub(super) fn give_back(&mut self, taken: Taken, not_before: Option<Instant>) -> bool {
        self.queue.give_back(HOLDER, taken, not_before)
    }

    /// How many events are on their way, out or waiting to go out. Those that wait for a delayed one do not count: they must not keep
    /// others from being read, and are bounded by their bytes.
    pub(super) fn held(&self) -> usize {
        self.queue.len() - self.queue.delayed_len()
    }

    /// Up to where everything is acknowledged.
    pub(super) fn watermark(&self) -> u64 {
        self.acks.watermark()
    }

    /// When the next event given back with a delay is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.next_due().filter(|_| self.drain_until.is_none())
    }

    /// Whether it can be handed to another member: it is to be, and everything out is settled and written, or time is up.
    pub(super) fn is_drained(&self, now: Instant) -> bool {
        let settled = self.queue.in_flight(HOLDER) == 0 && self.persisted >= self.acks.watermark();
        self.drain_until.is_some_and(|until| settled || now >= until)
    }
}
