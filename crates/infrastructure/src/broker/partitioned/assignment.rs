use std::sync::Arc;

use activelog_application::ports::{DeliveryStream, Lease, Partition, SettleError, Subscription};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    group_log::LogEntry,
    partition::OwnedPartition,
    state::{Progress, Shared},
    stream::LogStream,
};

/// The partitions that a broker's own consumer group has assigned to a stream: what has come of them, what is settled, and how far the group is.
///
/// The adapter tells what is assigned and what has come, and writes the positions.
#[derive(Debug, Clone)]
pub(in crate::broker) struct Assignment {
    shared: Arc<Shared>,
    scope: String,
    bytes_max: usize,
}

/// Whether a stream can take more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) enum Room {
    /// So many events.
    Free(usize),
    /// Some, but not enough to begin again after a pause.
    Low(usize),
    /// Nothing.
    Full,
}

impl Assignment {
    /// For a stream of this subscription that ends with `stop`, and holds about `bytes_max` bytes of events.
    pub(in crate::broker) fn new(subscription: Subscription, stop: CancellationToken, bytes_max: usize) -> Self {
        let scope = format!("group:{}", subscription.group);
        Self { shared: Arc::new(Shared::new(subscription, stop)), scope, bytes_max }
    }

    /// The stream, behind which `driver` works until it is closed.
    pub(in crate::broker) fn stream(&self, driver: JoinHandle<Result<(), SettleError>>) -> Box<dyn DeliveryStream> {
        Box::new(LogStream::new(Arc::clone(&self.shared), driver))
    }

    /// Whether the stream has been closed.
    pub(in crate::broker) fn is_stopped(&self) -> bool {
        self.shared.stop.is_cancelled()
    }

    /// Waits until the stream has been closed.
    pub(in crate::broker) fn stopped(&self) -> impl Future<Output = ()> + use<> {
        self.shared.stop.clone().cancelled_owned()
    }

    /// Ends the stream: nothing more is delivered, and later settlements have no effect.
    pub(in crate::broker) fn shut(&self) {
        self.shared.shut();
    }

    /// Starts with partitions at positions, or starts anew with them.
    pub(in crate::broker) fn own(&self, partitions: &[(Partition, u64)]) {
        let mut state = self.shared.lock();
        for (partition, position) in partitions {
            let lease = Lease { scope: self.scope.clone(), partition: *partition, epoch: 0 };
            state.own_at(lease, *position);
        }
    }

    /// Until when no other member can have the partitions.
    pub(in crate::broker) fn lease_until(&self, until: Instant) {
        self.shared.lock().leased_until = until;
        self.shared.deliverable.notify_one();
    }

    /// Takes in what follows in partitions; nothing of those that are not assigned.
    pub(in crate::broker) fn accept(&self, pages: impl IntoIterator<Item = (Partition, Vec<LogEntry>)>) {
        let assigned: Vec<_> = {
            let state = self.shared.lock();
            let page = |(id, entries)| Some((id, state.partitions.get(&id)?.generation, entries));
            pages.into_iter().filter_map(page).collect()
        };
        self.shared.accept(assigned);
    }

    /// The assigned partitions, and the last position read of each.
    pub(in crate::broker) fn read_to(&self) -> Vec<(Partition, u64)> {
        self.shared.lock().partitions.iter().map(|(id, owned)| (*id, owned.read_to)).collect()
    }

    /// Delivers nothing more of partitions that go to other members. Their unsettled events are waited for until the instant.
    pub(in crate::broker) fn drain(&self, partitions: &[Partition], until: Instant) {
        let mut state = self.shared.lock();
        for partition in partitions {
            if let Some(owned) = state.partitions.get_mut(partition) {
                owned.drain_until = Some(until);
            }
        }
    }

    /// Lets go of partitions that have drained. Whether none is left that has to.
    pub(in crate::broker) fn release_drained(&self, now: Instant) -> bool {
        let mut state = self.shared.lock();
        let drained = state.take_drained(now);
        let done = state.partitions.values().all(|owned| owned.drain_until.is_none());
        drop(state);
        drop(drained);
        done
    }

    /// Lets go of partitions, whatever is unsettled.
    pub(in crate::broker) fn forget(&self, partitions: &[Partition]) {
        let mut state = self.shared.lock();
        let gone: Vec<OwnedPartition> = partitions.iter().filter_map(|id| state.partitions.remove(id)).collect();
        drop(state);
        drop(gone);
    }

    /// Lets go of everything.
    pub(in crate::broker) fn forget_all(&self) {
        let gone = std::mem::take(&mut self.shared.lock().partitions);
        drop(gone);
    }

    /// The positions that are ahead of what is written.
    pub(in crate::broker) fn progress(&self) -> Vec<Progress> {
        self.shared.lock().progress()
    }

    /// The position of every partition, written or not.
    pub(in crate::broker) fn standing(&self) -> Vec<Progress> {
        let state = self.shared.lock();
        let standing = |owned: &OwnedPartition| Progress {
            lease: owned.lease.clone(),
            generation: owned.generation,
            position: owned.watermark(),
        };
        state.partitions.values().map(standing).collect()
    }

    /// Positions have been written.
    pub(in crate::broker) fn persisted(&self, written: &[Progress]) {
        self.shared.lock().persisted(written);
    }

    /// Whether something may have to be written soon.
    pub(in crate::broker) fn is_busy(&self) -> bool {
        let state = self.shared.lock();
        state.unsettled > 0 || state.partitions.values().any(|owned| owned.watermark() > owned.persisted)
    }

    /// How much more can be taken in.
    pub(in crate::broker) fn room(&self) -> Room {
        let state = self.shared.lock();
        let held: usize = state.partitions.values().map(OwnedPartition::held).sum();
        let bytes: usize = state.partitions.values().map(|owned| owned.bytes).sum();
        let free = self.shared.held_max().saturating_sub(held);
        if free == 0 || bytes >= self.bytes_max.max(1) {
            Room::Full
        } else if free < self.shared.read_ahead() / 2 || bytes > self.bytes_max / 2 {
            Room::Low(free)
        } else {
            Room::Free(free)
        }
    }
}

impl Progress {
    /// The partition.
    pub(in crate::broker) fn partition(&self) -> Partition {
        self.lease.partition
    }
}
