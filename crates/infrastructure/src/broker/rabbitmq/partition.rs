use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use crate::broker::{
    contiguous_ack::ContiguousAck,
    keyed_queue::{Holder, KeyedQueue, Taken},
};

/// How long an acknowledgement waits for others that go to the server with it.
const GATHER: Duration = Duration::from_millis(250);

/// How long one waits that would go alone, as an earlier event is still unsettled.
const GATHER_AHEAD: Duration = Duration::from_millis(500);

/// When events may go out again that were given back with a delay, by their ids.
pub(super) type Delays = HashMap<Uuid, Instant>;

/// What was received on one channel from the queue of a partition and is not acknowledged. Delivery tags are 1, 2, 3 … there.
#[derive(Debug)]
pub(super) struct OpenPartition {
    /// Tells this channel from earlier ones, whose settlements are ignored.
    pub(super) generation: u64,
    /// How many unacknowledged events the server hands out on this channel.
    pub(super) window: u16,
    /// Nothing goes out any more: the channel is to be closed.
    pub(super) draining: bool,
    pub(super) bytes: usize,
    queue: KeyedQueue<Received>,
    /// How many events are out at streams.
    out: usize,
    acks: ContiguousAck,
    /// Acknowledged, and not told to the server.
    unsent: BTreeSet<u64>,
    unsent_since: Instant,
    /// Somebody waits until they are sent.
    hurried: bool,
    /// Some are being sent.
    sending: bool,
    /// The last tag received, and how many the server has been told of.
    received: u64,
    sent: u64,
}

#[derive(Debug)]
struct Received {
    event: Arc<EventEnvelope>,
    redelivered: bool,
}

/// An event that goes out.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) taken: Taken,
    pub(super) event: Arc<EventEnvelope>,
    pub(super) redelivered: bool,
}

/// An acknowledgement for the server: of one tag, or of all up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    pub(super) tag: u64,
    pub(super) multiple: bool,
}

impl OpenPartition {
    pub(super) fn new(generation: u64, window: u16) -> Self {
        Self {
            generation,
            window,
            draining: false,
            bytes: 0,
            queue: KeyedQueue::default(),
            out: 0,
            acks: ContiguousAck::new(0),
            unsent: BTreeSet::new(),
            unsent_since: Instant::now(),
            hurried: false,
            sending: false,
            received: 0,
            sent: 0,
        }
    }

    /// Takes in a delivery; `None` for an event that nobody here wants, which counts as acknowledged.
    pub(super) fn accept(&mut self, tag: u64, event: Option<EventEnvelope>, redelivered: bool) {
        self.received = tag;
        let Some(event) = event else {
            self.acknowledged(tag);
            return;
        };
        self.bytes += event.size();
        let event = Arc::new(event);
        self.queue.offer(tag, &event.partition_key, Received { event: Arc::clone(&event), redelivered });
    }

    /// The next event that may go out to `holder`.
    pub(super) fn take(&mut self, holder: Holder, now: Instant, delays: &mut Delays) -> Option<Out> {
        while !self.draining {
            let taken = self.queue.take(holder, now)?;
            let received = self.queue.get(taken.id)?;
            match delays.get(&received.event.id) {
                // It was given back with a delay on an earlier channel.
                Some(due) if *due > now => drop(self.queue.give_back(holder, taken, Some(*due))),
                _ => {
                    self.out += 1;
                    let redelivered = received.redelivered || taken.attempt > 1;
                    return Some(Out { taken, event: Arc::clone(&received.event), redelivered });
                }
            }
        }
        None
    }

    /// Acknowledges a delivery. The event, to be dropped outside the lock; `None` if it is no longer out.
    pub(super) fn acknowledge(&mut self, holder: Holder, taken: Taken) -> Option<Arc<EventEnvelope>> {
        let event = self.queue.acknowledge(holder, taken)?.event;
        self.out -= 1;
        self.acknowledged(taken.id);
        self.bytes -= event.size();
        Some(event)
    }

    /// Gives a delivery back. The event's id; `None` if it is no longer out.
    pub(super) fn give_back(&mut self, holder: Holder, taken: Taken, not_before: Option<Instant>) -> Option<Uuid> {
        if !self.queue.give_back(holder, taken, not_before) {
            return None;
        }
        self.out -= 1;
        self.queue.get(taken.id).map(|received| received.event.id)
    }

    /// Gives back everything that is out at `holder`.
    pub(super) fn release(&mut self, holder: Holder) {
        self.out -= self.queue.in_flight(holder);
        self.queue.release(holder);
    }

    fn acknowledged(&mut self, tag: u64) {
        if self.unsent.is_empty() {
            self.unsent_since = Instant::now();
        }
        self.acks.acknowledge(tag);
        self.unsent.insert(tag);
    }

    /// When there are acknowledgements to be sent, if there are any.
    pub(super) fn acks_due_at(&self) -> Option<Instant> {
        let first = self.unsent.first()?;
        if self.hurried || self.unsent.len() >= self.batch() {
            return Some(self.unsent_since);
        }
        Some(self.unsent_since + if *first <= self.acks.watermark() { GATHER } else { GATHER_AHEAD })
    }

    /// Whether an acknowledgement is the first to be sent later on, or the last that was waited for.
    pub(super) fn is_awaited(&self) -> bool {
        self.draining || self.hurried || self.unsent.len() == 1 || self.unsent.len() >= self.batch()
    }

    /// Has all acknowledgements there are sent now.
    pub(super) fn hurry(&mut self) {
        self.hurried = !self.unsent.is_empty();
    }

    /// Whether they are still to be sent, or being sent.
    pub(super) fn is_hurried(&self) -> bool {
        self.hurried || self.sending
    }

    /// What was taken to be sent has been.
    pub(super) fn told(&mut self) {
        self.sending = false;
    }

    /// The acknowledgements to be sent now; all there are when `whole`.
    ///
    /// The server refuses a tag that it was told of before, also as the last of many: so each is sent once, and what ends many has not been sent.
    pub(super) fn take_acks(&mut self, now: Instant, whole: bool) -> Vec<Ack> {
        if !whole && self.acks_due_at().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let whole = std::mem::take(&mut self.hurried) || whole;
        let ahead = whole || self.unsent.len() >= self.batch() || now >= self.unsent_since + GATHER_AHEAD;
        let rest = self.unsent.split_off(&(self.acks.watermark() + 1));
        let contiguous = std::mem::replace(&mut self.unsent, rest);
        let mut acks: Vec<Ack> = contiguous.last().map(|tag| Ack { tag: *tag, multiple: true }).into_iter().collect();
        self.sent += contiguous.len() as u64;
        if ahead {
            self.sent += self.unsent.len() as u64;
            acks.extend(std::mem::take(&mut self.unsent).into_iter().map(|tag| Ack { tag, multiple: false }));
        }
        self.unsent_since = now;
        self.sending = !acks.is_empty();
        acks
    }

    fn batch(&self) -> usize {
        usize::from(self.window / 4).max(1)
    }

    /// How many events are not acknowledged by whoever takes them.
    pub(super) fn held(&self) -> usize {
        self.queue.len()
    }

    /// When the oldest of them happened.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.queue.values().map(|received| received.event.time).min()
    }

    /// Whether nothing is out.
    pub(super) fn is_idle(&self) -> bool {
        self.out == 0
    }

    /// Whether the server would hand out more, if it had more.
    pub(super) fn has_room(&self) -> bool {
        self.received - self.sent < u64::from(self.window)
    }

    /// How many events have been received.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether events that wait for a delay take so much of the window that others hardly get through.
    pub(super) fn is_clogged(&self) -> bool {
        // Those that are acknowledged and only not sent yet take no room for long.
        let unsettled = self.received - self.sent - self.unsent.len() as u64;
        unsettled >= u64::from(self.window) && self.queue.delayed_len() * 2 >= usize::from(self.window)
    }

    /// When the next event given back with a delay is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.next_due().filter(|_| !self.draining)
    }
}

#[cfg(test)]
mod tests {
    use activelog_application::testing::broker::event;

    use super::*;

    fn filled(count: u64) -> (OpenPartition, Vec<Out>) {
        let mut partition = OpenPartition::new(1, 8);
        for tag in 1..=count {
            partition.accept(tag, Some(event("thing.done", &format!("key-{tag}"), 1)), false);
        }
        let mut delays = Delays::new();
        let out = std::iter::from_fn(|| partition.take(1, Instant::now(), &mut delays)).collect();
        (partition, out)
    }

    #[tokio::test]
    async fn no_tag_is_sent_twice_and_what_is_ahead_goes_alone() {
        let (mut partition, out) = filled(5);
        let now = Instant::now() + GATHER_AHEAD * 2;
        for tag in [1, 2, 4] {
            assert!(partition.acknowledge(1, out[tag].taken).is_some());
        }
        let alone = |tag| Ack { tag, multiple: false };
        assert_eq!(partition.take_acks(now, true), [alone(2), alone(3), alone(5)]);
        assert!(partition.acknowledge(1, out[0].taken).is_some());
        assert_eq!(partition.take_acks(now, true), [Ack { tag: 1, multiple: true }]);
        assert!(partition.acknowledge(1, out[3].taken).is_some());
        assert_eq!(partition.take_acks(now, true), [Ack { tag: 4, multiple: true }]);
        assert!(partition.is_idle() && partition.bytes == 0 && partition.held() == 0);
    }

    #[tokio::test]
    async fn whoever_waits_for_acknowledgements_does_not_wait_for_others() {
        let (mut partition, out) = filled(3);
        partition.hurry();
        assert!(!partition.is_hurried(), "there is nothing to be sent");
        assert!(partition.acknowledge(1, out[1].taken).is_some());
        assert_eq!(partition.take_acks(Instant::now(), false), []);
        partition.hurry();
        assert_eq!(partition.take_acks(Instant::now(), false), [Ack { tag: 2, multiple: false }]);
        assert!(partition.is_hurried(), "it is being sent");
        partition.told();
        assert!(!partition.is_hurried());
    }

    #[tokio::test]
    async fn a_delay_outlives_the_channel_it_was_asked_for_on() {
        let mut partition = OpenPartition::new(1, 8);
        let delayed = event("thing.done", "key", 1);
        let due = Instant::now() + Duration::from_secs(1);
        let mut delays = Delays::from([(delayed.id, due)]);
        partition.accept(1, Some(delayed), true);
        partition.accept(2, Some(event("thing.done", "other", 1)), false);
        let mut ids = |now| std::iter::from_fn(|| partition.take(1, now, &mut delays)).map(|o| o.taken.id).collect();
        let first: Vec<u64> = ids(Instant::now());
        let then: Vec<u64> = ids(due);
        assert_eq!((first, then), (vec![2], vec![1]));
    }
}
