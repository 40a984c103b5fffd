use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use activelog_application::ports::{EventPattern, PARTITIONS, Partition};
use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::partition::{Ack, Delays, OpenPartition, Out};
use crate::broker::keyed_queue::{Holder, Taken};

/// The largest window that a queue clogged by delayed events gets.
const WINDOW_MAX: u16 = 16_384;

/// The most bytes of a partition in memory beyond which its window does not grow.
const BYTES_MAX: usize = 16 << 20;

/// What the streams of a group in this process share with the tasks that consume its queues.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    patterns: Vec<EventPattern>,
    /// Changes when something may be deliverable, or a stream has ended.
    pub(super) deliverable: watch::Sender<()>,
    /// By partition: something was settled.
    settled: Vec<Notify>,
}

#[derive(Debug, Default)]
struct State {
    slots: BTreeMap<Partition, Slot>,
    /// How many deliveries each stream has not settled, also those of channels that are gone.
    streams: HashMap<Holder, usize>,
    next_stream: Holder,
    generations: u64,
    /// Where the next batch begins, so that no partition starves.
    turn: u16,
    closed: bool,
}

#[derive(Debug, Default)]
struct Slot {
    open: Option<OpenPartition>,
    delays: Delays,
    /// What the window has grown to.
    grown: u16,
}

/// What a stream gets when it asks.
#[derive(Debug)]
pub(super) enum Batch {
    Events(Vec<(Ticket, Out)>),
    /// Nothing now; something is due at the instant.
    Nothing(Option<Instant>),
    Ended,
}

/// Names one delivery.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    holder: Holder,
    partition: Partition,
    generation: u64,
    taken: Taken,
}

/// How a delivery was settled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Settlement {
    Acknowledged,
    GivenBack(Option<Instant>),
}

impl Shared {
    pub(super) fn new(patterns: Vec<EventPattern>) -> Self {
        let settled = (0..PARTITIONS).map(|_| Notify::new()).collect();
        Self { state: Mutex::default(), patterns, deliverable: watch::Sender::new(()), settled }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wants(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// Waits until something of a partition was settled that the task which consumes it has to know of.
    pub(super) async fn settled(&self, partition: Partition) {
        self.settled[usize::from(partition.0)].notified().await;
    }

    /// Adds a stream.
    pub(super) fn join(&self) -> Holder {
        let mut state = self.lock();
        state.next_stream += 1;
        let holder = state.next_stream;
        state.streams.insert(holder, 0);
        holder
    }

    /// Removes a stream: what it has not settled goes back.
    pub(super) fn leave(&self, holder: Holder) {
        let mut state = self.lock();
        state.streams.remove(&holder);
        for slot in state.slots.values_mut() {
            if let Some(open) = &mut slot.open {
                open.release(holder);
            }
        }
        drop(state);
        self.wake_all();
    }

    /// Ends every stream.
    pub(super) fn shut(&self) {
        let mut state = self.lock();
        state.closed = true;
        let streams: Vec<Holder> = std::mem::take(&mut state.streams).into_keys().collect();
        for slot in state.slots.values_mut() {
            let Some(open) = &mut slot.open else { continue };
            streams.iter().for_each(|holder| open.release(*holder));
        }
        drop(state);
        self.wake_all();
    }

    fn wake_all(&self) {
        self.deliverable.send_replace(());
        self.settled.iter().for_each(Notify::notify_one);
    }

    /// What may go out to a stream now.
    pub(super) fn take(&self, holder: Holder, prefetch: usize, now: Instant) -> Batch {
        let mut state = self.lock();
        let State { slots, streams, turn, closed, .. } = &mut *state;
        let Some(unsettled) = streams.get_mut(&holder).filter(|_| !*closed) else { return Batch::Ended };
        let room = prefetch.saturating_sub(*unsettled);
        let mut batch = Vec::new();
        *turn = (*turn + 1) % PARTITIONS;
        for partition in (*turn..PARTITIONS).chain(0..*turn).map(Partition) {
            let Some(Slot { open: Some(open), delays, .. }) = slots.get_mut(&partition) else { continue };
            while batch.len() < room {
                let Some(out) = open.take(holder, now, delays) else { break };
                let ticket = Ticket { holder, partition, generation: open.generation, taken: out.taken };
                batch.push((ticket, out));
            }
        }
        *unsettled += batch.len();
        match batch.is_empty() {
            false => Batch::Events(batch),
            true if room == 0 => Batch::Nothing(None),
            true => Batch::Nothing(slots.values().filter_map(|slot| slot.open.as_ref()?.next_due()).min()),
        }
    }

    /// Settles a delivery. `false` when it is no longer the stream's to settle.
    pub(super) fn settle(&self, ticket: Ticket, settlement: Settlement) -> bool {
        let mut state = self.lock();
        if let Some(unsettled) = state.streams.get_mut(&ticket.holder) {
            *unsettled = unsettled.saturating_sub(1);
        }
        let slot = state.slots.get_mut(&ticket.partition);
        let settled = slot.and_then(|slot| slot.settle(ticket, settlement));
        drop(state);
        self.deliverable.send_replace(());
        if settled.as_ref().is_some_and(|settled| settled.is_awaited) {
            self.settled[usize::from(ticket.partition.0)].notify_one();
        }
        // The event itself is dropped here, outside the lock.
        settled.is_some()
    }

    /// A channel has begun to consume a partition.
    pub(super) fn open(&self, partition: Partition, window: u16) {
        let mut state = self.lock();
        state.generations += 1;
        let generation = state.generations;
        state.slots.entry(partition).or_default().open = Some(OpenPartition::new(generation, window));
    }

    /// The window of a partition: as configured, or what it had to grow to.
    pub(super) fn window(&self, partition: Partition, configured: u16) -> u16 {
        let now = Instant::now();
        let mut state = self.lock();
        let slot = state.slots.entry(partition).or_default();
        slot.delays.retain(|_, due| *due > now);
        if slot.delays.is_empty() {
            slot.grown = 0;
        }
        configured.max(slot.grown)
    }

    /// The channel of a partition is about to be closed: what came on it goes back. `for_good` when it is another member's from now on.
    pub(super) fn close(&self, partition: Partition, for_good: bool) {
        let mut state = self.lock();
        let gone = state.slots.get_mut(&partition).map(|slot| {
            if for_good {
                slot.delays = Delays::new();
            }
            slot.open.take()
        });
        drop(state);
        drop(gone);
        // Nothing of it is to be sent any more.
        self.deliverable.send_replace(());
    }

    /// Takes in what has come.
    pub(super) fn accept(&self, partition: Partition, received: Vec<(u64, Option<EventEnvelope>, bool)>) {
        let mut state = self.lock();
        let Some(open) = state.slots.get_mut(&partition).and_then(|slot| slot.open.as_mut()) else { return };
        for (tag, event, redelivered) in received {
            open.accept(tag, event.filter(|event| self.wants(&event.name)), redelivered);
        }
        drop(state);
        self.deliverable.send_replace(());
    }

    /// Looks at a partition, or changes it; `None` when it has no channel.
    pub(super) fn with<T>(&self, partition: Partition, look: impl FnOnce(&mut OpenPartition) -> T) -> Option<T> {
        self.lock().slots.get_mut(&partition).and_then(|slot| slot.open.as_mut()).map(look)
    }

    /// The acknowledgements of a partition to be sent now.
    pub(super) fn take_acks(&self, partition: Partition, whole: bool) -> Vec<Ack> {
        let now = Instant::now();
        self.with(partition, |open| open.take_acks(now, whole)).unwrap_or_default()
    }

    /// Lets the window of a partition grow when delayed events clog it. Whether its channel is to be opened anew for that.
    pub(super) fn unclog(&self, partition: Partition) -> bool {
        let mut state = self.lock();
        let Some(slot) = state.slots.get_mut(&partition) else { return false };
        let Some(open) = &slot.open else { return false };
        if !open.is_clogged() || open.window >= WINDOW_MAX || open.bytes >= BYTES_MAX {
            return false;
        }
        slot.grown = open.window.saturating_mul(4).min(WINDOW_MAX);
        true
    }

    /// How many events have come and are not acknowledged.
    pub(super) fn held(&self) -> u64 {
        let state = self.lock();
        state.slots.values().filter_map(|slot| slot.open.as_ref()).map(|open| open.held() as u64).sum()
    }

    /// When the oldest of them happened.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        let state = self.lock();
        state.slots.values().filter_map(|slot| slot.open.as_ref()?.oldest()).min()
    }

    /// Waits until the server has been told of every acknowledgement that there is now.
    pub(super) async fn flushed(&self) {
        let mut told = self.deliverable.subscribe();
        self.lock().slots.values_mut().filter_map(|slot| slot.open.as_mut()).for_each(OpenPartition::hurry);
        self.wake_all();
        while !self.is_flushed() {
            if told.changed().await.is_err() {
                return;
            }
        }
    }

    /// The server has been told of the acknowledgements of a partition that were taken.
    pub(super) fn told(&self, partition: Partition) {
        self.with(partition, OpenPartition::told);
        self.deliverable.send_replace(());
    }

    fn is_flushed(&self) -> bool {
        let state = self.lock();
        state.slots.values().filter_map(|slot| slot.open.as_ref()).all(|open| !open.is_hurried())
    }
}

/// What settling a delivery leaves to be done outside the lock.
struct Settled {
    /// What there is to drop.
    _event: Option<Arc<EventEnvelope>>,
    /// Whether the task that consumes the partition has something to do now, or a time to wait for.
    is_awaited: bool,
}

impl Slot {
    fn settle(&mut self, ticket: Ticket, settlement: Settlement) -> Option<Settled> {
        let open = self.open.as_mut().filter(|open| open.generation == ticket.generation)?;
        match settlement {
            Settlement::Acknowledged => {
                let event = open.acknowledge(ticket.holder, ticket.taken)?;
                self.delays.remove(&event.id);
                Some(Settled { is_awaited: open.is_awaited(), _event: Some(event) })
            }
            Settlement::GivenBack(not_before) => {
                let id = open.give_back(ticket.holder, ticket.taken, not_before)?;
                match not_before {
                    Some(due) => self.delays.insert(id, due),
                    None => self.delays.remove(&id),
                };
                Some(Settled { is_awaited: true, _event: None })
            }
        }
    }
}
