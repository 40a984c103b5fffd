use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use activelog_application::ports::{EventPattern, Lag, StartFrom, Subscription};
use activelog_domain::event::EventEnvelope;
use tokio::{sync::Notify, time::Instant};

use super::{MemoryOptions, core::Settlement};
use crate::broker::{
    contiguous_ack::ContiguousAck,
    keyed_queue::{Holder, KeyedQueue, Taken},
};

/// An open stream.
pub(super) type StreamId = Holder;

/// History, groups and open streams.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Sequence numbers run from 1; `history[0]` has `trimmed + 1`.
    history: VecDeque<Record>,
    trimmed: u64,
    bytes: usize,
    /// Up to where `published` has been cleared.
    cleared: u64,
    groups: HashMap<String, Group>,
    streams: HashMap<StreamId, OpenStream>,
    last_stream: StreamId,
}

#[derive(Debug)]
struct Record {
    event: Arc<EventEnvelope>,
    bytes: usize,
    at: Instant,
}

#[derive(Debug)]
struct Group {
    queue: KeyedQueue,
    acks: ContiguousAck,
    /// The last sequence number taken from the history.
    cursor: u64,
    patterns: Vec<EventPattern>,
    streams: usize,
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct OpenStream {
    group: String,
    subscriber: u64,
}

/// A stream that has just been opened.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) stream: StreamId,
    pub(super) wake: Arc<Notify>,
    /// How many events the group has missed since its last stream ended.
    pub(super) missed: u64,
}

/// What a settlement has changed.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) wake: Arc<Notify>,
    pub(super) watermark_moved: bool,
}

/// What a stream gets when it asks for events.
#[derive(Debug)]
pub(super) enum Batch {
    Events(Vec<(Taken, Arc<EventEnvelope>)>),
    /// Nothing now; something may become due at the instant.
    Nothing(Option<Instant>),
    Ended,
}

impl State {
    fn last(&self) -> u64 {
        self.trimmed + self.history.len() as u64
    }

    /// Makes room for an event, if it can. What had to go is put into `gone`, to be dropped outside the lock.
    pub(super) fn make_room(
        &mut self,
        bytes: usize,
        options: &MemoryOptions,
        gone: &mut Vec<Arc<EventEnvelope>>,
    ) -> bool {
        let full = |state: &Self| {
            !state.history.is_empty()
                && (state.history.len() >= options.history_events || state.bytes + bytes > options.history_bytes)
        };
        if !full(self) {
            return true;
        }
        let live = self.groups.values().filter(|group| group.streams > 0);
        let needed_after = live.map(|group| group.acks.watermark()).min().unwrap_or(u64::MAX);
        while full(self) && self.trimmed < needed_after {
            let Some(record) = self.history.pop_front() else { break };
            self.trimmed += 1;
            self.bytes -= record.bytes;
            gone.push(record.event);
        }
        !full(self)
    }

    pub(super) fn push(&mut self, event: Arc<EventEnvelope>, at: Instant) {
        let bytes = event.size();
        self.bytes += bytes;
        self.history.push_back(Record { event, bytes, at });
    }

    /// Who may have something to take after a publish.
    pub(super) fn live_wakes(&self) -> Vec<Arc<Notify>> {
        self.groups.values().filter(|g| g.streams > 0).map(|g| Arc::clone(&g.wake)).collect()
    }

    pub(super) fn recorded(&self) -> Vec<Arc<EventEnvelope>> {
        let skip = self.cleared.saturating_sub(self.trimmed);
        self.history.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).map(|r| Arc::clone(&r.event)).collect()
    }

    pub(super) fn forget_recorded(&mut self) {
        self.cleared = self.last();
    }

    /// Opens a stream. `None` when the group is live with other patterns.
    pub(super) fn join(&mut self, subscription: &Subscription, subscriber: u64) -> Option<Joined> {
        let (oldest, newest) = (self.trimmed, self.last());
        let start = match subscription.start {
            StartFrom::Earliest => oldest,
            StartFrom::Latest => newest,
        };
        let group = self.groups.entry(subscription.group.clone()).or_insert_with(|| Group {
            queue: KeyedQueue::default(),
            acks: ContiguousAck::new(start),
            cursor: start,
            patterns: subscription.patterns.clone(),
            streams: 0,
            wake: Arc::new(Notify::new()),
        });
        if group.streams > 0 && group.patterns != subscription.patterns {
            return None;
        }
        let missed = if group.streams == 0 { group.skip_to(oldest) } else { 0 };
        group.patterns.clone_from(&subscription.patterns);
        group.streams += 1;
        self.last_stream += 1;
        let stream = OpenStream { group: subscription.group.clone(), subscriber };
        let wake = Arc::clone(&group.wake);
        self.streams.insert(self.last_stream, stream);
        Some(Joined { stream: self.last_stream, wake, missed })
    }

    /// What `stream` may have now, with at most `prefetch` unsettled; and whether history may have become free by passing events that the
    /// group does not want.
    pub(super) fn take(&mut self, stream: StreamId, prefetch: usize, now: Instant) -> (Batch, bool) {
        let Self { history, trimmed, groups, streams, .. } = self;
        let Some(group) = streams.get(&stream).and_then(|open| groups.get_mut(&open.group)) else {
            return (Batch::Ended, false);
        };
        let mut watermark_moved = false;
        let room = prefetch.saturating_sub(group.queue.in_flight(stream));
        let record = |id: u64| usize::try_from(id - *trimmed - 1).ok().and_then(|index| history.get(index));
        let mut batch = Vec::new();
        while batch.len() < room {
            if let Some(taken) = group.queue.take(stream, now) {
                if let Some(record) = record(taken.id) {
                    batch.push((taken, Arc::clone(&record.event)));
                }
                continue;
            }
            let Some(next) = record(group.cursor + 1) else { break };
            group.cursor += 1;
            if group.patterns.iter().any(|p| p.matches(&next.event.name)) {
                group.queue.offer(group.cursor, &next.event.partition_key, ());
            } else {
                watermark_moved |= group.acks.acknowledge(group.cursor);
            }
        }
        let batch = match batch.is_empty() {
            true => Batch::Nothing(group.queue.next_due()),
            false => Batch::Events(batch),
        };
        (batch, watermark_moved)
    }

    pub(super) fn settle(&mut self, stream: StreamId, taken: Taken, settlement: Settlement) -> Option<Settled> {
        let open = self.streams.get(&stream)?;
        let group = self.groups.get_mut(&open.group)?;
        let (done, watermark_moved) = match settlement {
            Settlement::Acknowledged => {
                let done = group.queue.acknowledge(stream, taken).is_some();
                (done, done && group.acks.acknowledge(taken.id))
            }
            Settlement::GivenBack(not_before) => (group.queue.give_back(stream, taken, not_before), false),
        };
        done.then(|| Settled { wake: Arc::clone(&group.wake), watermark_moved })
    }

    pub(super) fn end_stream(&mut self, stream: StreamId) -> Option<Arc<Notify>> {
        let open = self.streams.remove(&stream)?;
        let group = self.groups.get_mut(&open.group)?;
        group.queue.release(stream);
        group.streams -= 1;
        Some(Arc::clone(&group.wake))
    }

    /// Forgets a group; not while it has streams, which is answered with `false`.
    pub(super) fn remove_group(&mut self, group: &str) -> bool {
        if self.groups.get(group).is_some_and(|group| group.streams > 0) {
            return false;
        }
        self.groups.remove(group);
        true
    }

    /// The open streams of a subscriber.
    pub(super) fn streams_of(&self, subscriber: u64) -> Vec<StreamId> {
        self.streams.iter().filter(|(_, s)| s.subscriber == subscriber).map(|(id, _)| *id).collect()
    }

    /// How far a group is behind. One nobody knows is behind by everything there is.
    pub(super) fn lag(&self, group: &str, now: Instant) -> Lag {
        let group = self.groups.get(group);
        let cursor = group.map_or(self.trimmed, |g| g.cursor.max(self.trimmed));
        let offered = group.map_or(0, |g| g.queue.len() as u64);
        let skip = usize::try_from(cursor - self.trimmed).unwrap_or(usize::MAX);
        let wanted = |r: &&Record| group.is_none_or(|g| g.patterns.iter().any(|p| p.matches(&r.event.name)));
        let ahead = self.history.iter().skip(skip).filter(wanted).count() as u64;
        let events = offered + ahead;
        let oldest = group.map_or(self.trimmed, |g| g.acks.watermark()).saturating_sub(self.trimmed);
        let oldest = usize::try_from(oldest).ok().and_then(|index| self.history.get(index));
        Lag { events, age: oldest.filter(|_| events > 0).map(|r| now.duration_since(r.at)) }
    }
}

impl Group {
    /// Forgets what the history no longer has. How many events that were.
    fn skip_to(&mut self, oldest: u64) -> u64 {
        let open = self.queue.len();
        self.queue.forget_to(oldest);
        let missed = (open - self.queue.len()) as u64 + oldest.saturating_sub(self.cursor);
        self.cursor = self.cursor.max(oldest);
        self.acks.advance_to(oldest);
        missed
    }
}
