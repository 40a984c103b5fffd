use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use activelog_application::ports::{JOURNAL_PAGE_MAX, JournalCursor, Lease, PARTITIONS, Partition, Subscription};
use activelog_domain::event::EventEnvelope;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    group_log::{LogEntry, Page},
    partition::OwnedPartition,
};
use crate::broker::keyed_queue::Taken;

/// What an average event is thought to take until pages have been read, in bytes: keeps the first page small enough.
const SIZE_GUESS: usize = 16 << 10;

/// What a stream's consumer and its loops share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) subscription: Subscription,
    /// Something may be deliverable, or the stream has ended.
    pub(super) deliverable: Notify,
    /// The reader may have room.
    pub(super) room: Notify,
    /// Partitions have been gained.
    pub(super) gained: Notify,
    /// Positions can be written.
    pub(super) dirty: Notify,
    /// A partition has drained, or a lease was lost.
    pub(super) ownership: Notify,
    pub(super) stop: CancellationToken,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) partitions: BTreeMap<Partition, OwnedPartition>,
    /// Deliveries the consumer has not settled, also those of partitions that are gone.
    pub(super) unsettled: usize,
    /// Until when the leases are ours for certain.
    pub(super) leased_until: Instant,
    generations: u64,
    /// Where the next batch and the next page begin, so that no partition starves.
    turn: Partition,
    read_turn: Partition,
    average_size: usize,
    closed: bool,
}

/// What a consumer gets when it asks.
#[derive(Debug)]
pub(super) enum Batch {
    Events(Vec<Out>),
    /// Nothing now; something is due at the instant.
    Nothing(Option<Instant>),
    Ended,
}

/// An event that has gone out.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) ticket: Ticket,
    pub(super) event: Arc<EventEnvelope>,
}

/// Names one delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    partition: Partition,
    generation: u64,
    pub(super) taken: Taken,
}

/// How a delivery was settled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settlement {
    Acknowledged,
    GivenBack(Option<Instant>),
}

/// What the reader is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    CaughtUp,
    NoRoom,
    Page(Page),
}

/// A position to be written.
#[derive(Debug, Clone)]
pub(in crate::broker) struct Progress {
    pub(super) lease: Lease,
    pub(super) generation: u64,
    pub(in crate::broker) position: u64,
}

impl Shared {
    pub(super) fn new(subscription: Subscription, stop: CancellationToken) -> Self {
        let state = State {
            partitions: BTreeMap::new(),
            unsettled: 0,
            leased_until: Instant::now(),
            generations: 0,
            turn: Partition(0),
            read_turn: Partition(0),
            average_size: SIZE_GUESS,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            subscription,
            deliverable: Notify::new(),
            room: Notify::new(),
            gained: Notify::new(),
            dirty: Notify::new(),
            ownership: Notify::new(),
            stop,
        }
    }

    /// No guard ever lives across an await, and nothing foreign runs under it.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the stream: nothing more is delivered, and later settlements have no effect.
    pub(super) fn shut(&self) {
        self.lock().closed = true;
        self.stop.cancel();
        self.deliverable.notify_one();
    }

    /// Settles a delivery. `false` when it is no longer this stream's to settle.
    pub(super) fn settle(&self, ticket: Ticket, settlement: Settlement) -> bool {
        let (settled, dirty, drained) = {
            let mut state = self.lock();
            state.unsettled -= 1;
            state.settle(ticket, settlement)
        };
        self.deliverable.notify_one();
        self.room.notify_one();
        if dirty {
            self.dirty.notify_one();
        }
        if drained {
            self.ownership.notify_one();
        }
        settled.is_some()
    }

    /// How many events may be held: the prefetch and what is read ahead of it.
    pub(super) fn held_max(&self) -> usize {
        self.subscription.prefetch.saturating_add(self.read_ahead())
    }

    pub(super) fn read_ahead(&self) -> usize {
        self.subscription.prefetch.clamp(64, 1_024)
    }

    /// What to read next, knowing these heads.
    pub(super) fn reading(&self, heads: &JournalCursor, bytes_max: usize) -> Reading {
        let mut state = self.lock();
        let held: usize = state.partitions.values().map(OwnedPartition::held).sum();
        let bytes: usize = state.partitions.values().map(|p| p.bytes).sum();
        let behind = |(id, p): (&Partition, &OwnedPartition)| {
            let head = heads.0.get(usize::from(id.0)).copied().unwrap_or(0);
            (p.drain_until.is_none() && p.read_to < head).then_some((*id, p.generation, p.read_to))
        };
        let turn = state.read_turn;
        let mut in_turn = state.partitions.range((Bound::Excluded(turn), Bound::Unbounded));
        let next = in_turn.find_map(behind).or_else(|| state.partitions.range(..=turn).find_map(behind));
        let Some((partition, generation, after)) = next else { return Reading::CaughtUp };
        let free = self.held_max().saturating_sub(held);
        // Not for every single event that is settled: pages are worth their query.
        if free < self.read_ahead() / 2 || bytes >= bytes_max.max(1) {
            return Reading::NoRoom;
        }
        state.read_turn = partition;
        let affordable = bytes_max.saturating_sub(bytes) / state.average_size;
        let limit = u32::try_from(free.min(affordable)).unwrap_or(u32::MAX).clamp(1, JOURNAL_PAGE_MAX);
        Reading::Page(Page { partition, generation, after, limit })
    }

    /// What to read of a log that waits for what comes: every partition, as long as there is room.
    pub(super) fn pages(&self, bytes_max: usize) -> Vec<Page> {
        /// The most events of one page.
        const READ_MAX: usize = 256;
        let state = self.lock();
        let held: usize = state.partitions.values().map(OwnedPartition::held).sum();
        let bytes: usize = state.partitions.values().map(|p| p.bytes).sum();
        if held >= self.held_max() || bytes >= bytes_max.max(1) {
            return Vec::new();
        }
        // Most of those that wait bring nothing: all of them together bring no more than as much again, in count and in bytes.
        let affordable = bytes_max / state.average_size.max(1);
        let share = (self.held_max().min(affordable) / usize::from(PARTITIONS)).clamp(1, READ_MAX);
        let staying = state.partitions.iter().filter(|(_, p)| p.drain_until.is_none());
        let limit = u32::try_from(share).unwrap_or(u32::MAX);
        let page = |(id, p): (&Partition, &OwnedPartition)| Page {
            partition: *id,
            generation: p.generation,
            after: p.read_to,
            limit,
        };
        staying.map(page).collect()
    }

    /// Where reading stands in each partition, with the ownership it was read in.
    pub(super) fn read_to(&self) -> Vec<(Partition, u64, u64)> {
        self.lock().partitions.iter().map(|(id, owned)| (*id, owned.generation, owned.read_to)).collect()
    }

    /// Lets go of partitions whose log ends before what was read of it earlier: it was deleted, and began anew. Whether there was one. The next heartbeat takes them up
    /// where the group stands then.
    pub(super) fn drop_restarted(&self, before: &[(Partition, u64, u64)], heads: &JournalCursor) -> bool {
        let mut state = self.lock();
        let mut any = false;
        for (partition, generation, read_to) in before {
            let head = heads.0.get(usize::from(partition.0)).copied().unwrap_or(0);
            if head < *read_to && state.owned(*partition, *generation).is_some() {
                state.partitions.remove(partition);
                any = true;
            }
        }
        any
    }

    /// Takes in what was read of partitions that are still owned as they were when it was asked for.
    pub(super) fn accept(&self, pages: impl IntoIterator<Item = (Partition, u64, Vec<LogEntry>)>) {
        let mut dirty = false;
        {
            let mut state = self.lock();
            for (partition, generation, entries) in pages {
                let sizes = entries.iter().filter_map(|entry| Some(entry.event.as_ref()?.size()));
                let size = sizes.sum::<usize>() / entries.len().max(1);
                // Grows at once, shrinks slowly.
                state.average_size = size.max(state.average_size / 2).max(1_024);
                let Some(owned) = state.owned(partition, generation) else { continue };
                owned.accept(entries, &self.subscription);
                dirty |= owned.watermark() > owned.persisted;
            }
        }
        self.deliverable.notify_one();
        if dirty {
            self.dirty.notify_one();
        }
    }
}

impl State {
    fn owned(&mut self, partition: Partition, generation: u64) -> Option<&mut OwnedPartition> {
        self.partitions.get_mut(&partition).filter(|owned| owned.generation == generation)
    }

    /// What may go out now.
    pub(super) fn take(&mut self, prefetch: usize, now: Instant) -> Batch {
        if self.closed {
            return Batch::Ended;
        }
        if now >= self.leased_until {
            // Another member may own them by now; a heartbeat tells.
            return Batch::Nothing(None);
        }
        let room = prefetch.saturating_sub(self.unsettled);
        let mut batch = Vec::new();
        let first = self.turn;
        let order: Vec<Partition> =
            self.partitions.range(first..).chain(self.partitions.range(..first)).map(|(id, _)| *id).collect();
        self.turn = order.get(1).copied().unwrap_or(first);
        for partition in order {
            let Some(owned) = self.partitions.get_mut(&partition) else { continue };
            while batch.len() < room {
                let Some((taken, event)) = owned.take(now) else { break };
                batch.push(Out { ticket: Ticket { partition, generation: owned.generation, taken }, event });
            }
        }
        self.unsettled += batch.len();
        match batch.is_empty() {
            false => Batch::Events(batch),
            true if room == 0 => Batch::Nothing(None),
            true => Batch::Nothing(self.partitions.values().filter_map(OwnedPartition::next_due).min()),
        }
    }

    /// The settled event if there was one, whether there is a position to write, whether a partition has drained.
    fn settle(&mut self, ticket: Ticket, settlement: Settlement) -> (Option<Option<Arc<EventEnvelope>>>, bool, bool) {
        if self.closed {
            return (None, false, false);
        }
        let Some(owned) = self.owned(ticket.partition, ticket.generation) else { return (None, false, false) };
        let settled = match settlement {
            Settlement::Acknowledged => owned.acknowledge(ticket.taken).map(Some),
            Settlement::GivenBack(not_before) => owned.give_back(ticket.taken, not_before).then_some(None),
        };
        (settled, owned.watermark() > owned.persisted, owned.drain_until.is_some())
    }

    /// Takes over what a heartbeat has said: forgets lost partitions and names those that are new.
    pub(super) fn reconcile(&mut self, leases: &[Lease], leased_until: Instant) -> (Vec<Lease>, Vec<OwnedPartition>) {
        self.leased_until = leased_until;
        let kept = |owned: &OwnedPartition| leases.contains(&owned.lease);
        let lost: Vec<Partition> = self.partitions.iter().filter(|(_, o)| !kept(o)).map(|(id, _)| *id).collect();
        let lost = lost.into_iter().filter_map(|id| self.partitions.remove(&id)).collect();
        let gained = leases.iter().filter(|lease| !self.partitions.contains_key(&lease.partition)).cloned().collect();
        (gained, lost)
    }

    /// Starts with partitions, where the group stands.
    pub(super) fn own(&mut self, leases: Vec<Lease>, positions: &JournalCursor) {
        for lease in leases {
            let position = positions.0.get(usize::from(lease.partition.0)).copied().unwrap_or(0);
            self.own_at(lease, position);
        }
    }

    /// Starts with a partition at a position.
    pub(super) fn own_at(&mut self, lease: Lease, position: u64) {
        self.generations += 1;
        self.partitions.insert(lease.partition, OwnedPartition::new(lease, self.generations, position));
    }

    /// Marks what is more than a fair share to be given back. When the first of them has to be, whatever is unsettled.
    pub(super) fn drain_surplus(&mut self, share: usize, until: Instant) -> Option<Instant> {
        let staying = self.partitions.values().filter(|owned| owned.drain_until.is_none()).count();
        let surplus = staying.saturating_sub(share);
        let leaving = self.partitions.values_mut().rev().filter(|owned| owned.drain_until.is_none()).take(surplus);
        for owned in leaving {
            owned.drain_until = Some(until);
        }
        self.partitions.values().filter_map(|owned| owned.drain_until).min()
    }

    /// Lets go of the partitions that have drained.
    pub(super) fn take_drained(&mut self, now: Instant) -> Vec<OwnedPartition> {
        let drained: Vec<Partition> =
            self.partitions.iter().filter(|(_, owned)| owned.is_drained(now)).map(|(id, _)| *id).collect();
        drained.into_iter().filter_map(|id| self.partitions.remove(&id)).collect()
    }

    /// The positions that are ahead of what is written.
    pub(super) fn progress(&self) -> Vec<Progress> {
        let ahead = self.partitions.values().filter(|owned| owned.watermark() > owned.persisted);
        ahead.map(|o| Progress { lease: o.lease.clone(), generation: o.generation, position: o.watermark() }).collect()
    }

    /// Positions have been written. Whether a partition on its way out is among them.
    pub(super) fn persisted(&mut self, written: &[Progress]) -> bool {
        let mut draining = false;
        for progress in written {
            if let Some(owned) = self.owned(progress.lease.partition, progress.generation) {
                owned.persisted = owned.persisted.max(progress.position);
                draining |= owned.drain_until.is_some();
            }
        }
        draining
    }

    /// A lease was lost: its partition is another's.
    pub(super) fn lose(&mut self, progress: &Progress) -> Option<OwnedPartition> {
        self.owned(progress.lease.partition, progress.generation)?;
        self.partitions.remove(&progress.lease.partition)
    }
}
