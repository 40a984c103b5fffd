use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use foldhash::HashMap;
use tokio::time::Instant;

/// The longest delay that is kept to the letter: longer ones would leave the range of instants.
const DELAY_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

/// When an event that is given back with `delay` may go out again; `None` for at once.
pub(super) fn due_after(delay: Duration) -> Option<Instant> {
    (!delay.is_zero()).then(|| Instant::now() + delay.min(DELAY_MAX))
}

/// A stream that takes events from a queue.
pub(super) type Holder = u64;

/// The undelivered and unsettled events of one consumer group, by id, in order per key.
///
/// - An event of a key goes out only when every earlier one of its key has gone out or been acknowledged; one that was
///   given back goes out again before later ones that have not been out yet.
/// - While any event of a key is unsettled at one holder, others of that key go to no other holder.
/// - Otherwise the lowest id goes first.
///
/// It knows ids and keys only; `V` is what its owner keeps of an event.
#[derive(Debug)]
pub(super) struct KeyedQueue<V = ()> {
    entries: HashMap<u64, Entry<V>>,
    keys: HashMap<Arc<str>, KeyState>,
    /// First waiting ids of keys that any holder may take.
    free: BTreeSet<u64>,
    holders: HashMap<Holder, HolderState>,
    /// First waiting ids of keys that must not go out before an instant.
    delayed: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    key: Arc<str>,
    deliveries: u32,
    held_by: Option<Holder>,
    not_before: Option<Instant>,
}

#[derive(Debug, Default)]
struct KeyState {
    /// Ascending.
    waiting: VecDeque<u64>,
    /// Who has unsettled events of the key, and how many.
    holder: Option<Holder>,
    in_flight: usize,
    place: Option<Place>,
}

#[derive(Debug, Default)]
struct HolderState {
    ready: BTreeSet<u64>,
    in_flight: usize,
}

/// Where the first waiting id of a key stands.
#[derive(Debug, Clone, Copy)]
enum Place {
    Free(u64),
    Held(Holder, u64),
    Delayed(Instant, u64),
}

/// An id that has gone out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) id: u64,
    /// The how manyth delivery it is, from 1. Settling names it, so that a late settlement of an earlier delivery is told apart.
    pub(super) attempt: u32,
}

impl<V> Default for KeyedQueue<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::default(),
            keys: HashMap::default(),
            free: BTreeSet::new(),
            holders: HashMap::default(),
            delayed: BTreeSet::new(),
        }
    }
}

impl<V> KeyedQueue<V> {
    /// Adds an event. Ids ascend from call to call.
    pub(super) fn offer(&mut self, id: u64, key: &str, value: V) {
        let key = self.keys.get_key_value(key).map_or_else(|| Arc::from(key), |(key, _)| Arc::clone(key));
        let entry = Entry { value, key: Arc::clone(&key), deliveries: 0, held_by: None, not_before: None };
        self.entries.insert(id, entry);
        let state = self.keys.entry(Arc::clone(&key)).or_default();
        state.waiting.push_back(id);
        if state.waiting.len() == 1 {
            self.place(&key);
        }
    }

    /// The next event for `holder`, if one may go out to it now.
    pub(super) fn take(&mut self, holder: Holder, now: Instant) -> Option<Taken> {
        self.mature(now);
        let own = self.holders.get(&holder).and_then(|h| h.ready.first().copied());
        let id = match (own, self.free.first().copied()) {
            (Some(own), Some(free)) => own.min(free),
            (own, free) => own.or(free)?,
        };
        let entry = self.entries.get_mut(&id)?;
        entry.held_by = Some(holder);
        entry.deliveries += 1;
        let (key, attempt) = (Arc::clone(&entry.key), entry.deliveries);
        self.holders.entry(holder).or_default().in_flight += 1;
        if let Some(state) = self.keys.get_mut(&key) {
            state.waiting.pop_front();
            state.holder = Some(holder);
            state.in_flight += 1;
        }
        self.place(&key);
        Some(Taken { id, attempt })
    }

    /// What is kept of an event.
    pub(super) fn get(&self, id: u64) -> Option<&V> {
        self.entries.get(&id).map(|entry| &entry.value)
    }

    /// What is kept of all events, in no order.
    #[cfg(feature = "rabbitmq")]
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|entry| &entry.value)
    }

    /// The event has been taken: what was kept of it. `None`, and no effect, unless it is out at `holder` in this very delivery.
    pub(super) fn acknowledge(&mut self, holder: Holder, taken: Taken) -> Option<V> {
        if !self.is_out(holder, taken) {
            return None;
        }
        let entry = self.entries.remove(&taken.id)?;
        self.settled(holder, &entry.key);
        Some(entry.value)
    }

    /// The event comes again, not before an instant. `false`, and no effect, unless it is out at `holder` in this very delivery.
    pub(super) fn give_back(&mut self, holder: Holder, taken: Taken, not_before: Option<Instant>) -> bool {
        let out = self.is_out(holder, taken);
        if out {
            self.put_back(holder, taken.id, not_before);
        }
        out
    }

    /// Gives back everything that is out at `holder` and forgets it.
    pub(super) fn release(&mut self, holder: Holder) {
        let out = self.entries.iter().filter(|(_, entry)| entry.held_by == Some(holder));
        for id in out.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.put_back(holder, id, None);
        }
        self.holders.remove(&holder);
    }

    /// How many events are out at `holder`.
    pub(super) fn in_flight(&self, holder: Holder) -> usize {
        self.holders.get(&holder).map_or(0, |h| h.in_flight)
    }

    /// How many events are not acknowledged.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many events wait for one of their key that was given back with a delay, that one included.
    pub(super) fn delayed_len(&self) -> usize {
        let keys = self.delayed.iter().filter_map(|(_, id)| self.keys.get(&self.entries.get(id)?.key));
        keys.map(|key| key.waiting.len()).sum()
    }

    /// When the next delayed event is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Forgets every event up to and including `id`, none of which is out.
    pub(super) fn forget_to(&mut self, id: u64) {
        let gone: Vec<u64> = self.entries.keys().copied().filter(|entry| *entry <= id).collect();
        for id in gone {
            let Some(entry) = self.entries.remove(&id) else { continue };
            if let Some(state) = self.keys.get_mut(&entry.key) {
                state.waiting.retain(|waiting| *waiting != id);
            }
            self.place(&entry.key);
        }
    }

    fn is_out(&self, holder: Holder, taken: Taken) -> bool {
        self.entries.get(&taken.id).is_some_and(|e| e.held_by == Some(holder) && e.deliveries == taken.attempt)
    }

    fn put_back(&mut self, holder: Holder, id: u64, not_before: Option<Instant>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.held_by = None;
        entry.not_before = not_before;
        let key = Arc::clone(&entry.key);
        if let Some(state) = self.keys.get_mut(&key) {
            let index = state.waiting.partition_point(|waiting| *waiting < id);
            state.waiting.insert(index, id);
        }
        self.settled(holder, &key);
    }

    /// One event fewer of `key` is out.
    fn settled(&mut self, holder: Holder, key: &Arc<str>) {
        if let Some(holder) = self.holders.get_mut(&holder) {
            holder.in_flight = holder.in_flight.saturating_sub(1);
        }
        if let Some(state) = self.keys.get_mut(key) {
            state.in_flight = state.in_flight.saturating_sub(1);
            if state.in_flight == 0 {
                state.holder = None;
            }
        }
        self.place(key);
    }

    /// Moves delayed events whose time has come to where they can be taken.
    fn mature(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.delayed.first() {
            if due > now {
                return;
            }
            let Some(entry) = self.entries.get_mut(&id) else {
                self.delayed.pop_first();
                continue;
            };
            entry.not_before = None;
            let key = Arc::clone(&entry.key);
            self.place(&key);
        }
    }

    /// Puts the first waiting id of a key where it belongs now, and forgets a key that has nothing left.
    fn place(&mut self, key: &Arc<str>) {
        let Some(state) = self.keys.get_mut(key) else { return };
        match state.place.take() {
            Some(Place::Free(id)) => {
                self.free.remove(&id);
            }
            Some(Place::Held(holder, id)) => {
                if let Some(holder) = self.holders.get_mut(&holder) {
                    holder.ready.remove(&id);
                }
            }
            Some(Place::Delayed(due, id)) => {
                self.delayed.remove(&(due, id));
            }
            None => {}
        }
        let Some(&id) = state.waiting.front() else {
            if state.in_flight == 0 {
                self.keys.remove(key);
            }
            return;
        };
        let due = self.entries.get(&id).and_then(|e| e.not_before);
        let place = match (due, state.holder) {
            (Some(due), _) => Place::Delayed(due, id),
            (None, Some(holder)) => Place::Held(holder, id),
            (None, None) => Place::Free(id),
        };
        state.place = Some(place);
        match place {
            Place::Free(id) => self.free.insert(id),
            Place::Held(holder, id) => self.holders.entry(holder).or_default().ready.insert(id),
            Place::Delayed(due, id) => self.delayed.insert((due, id)),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use proptest::prelude::*;

    use super::*;

    fn filled(keys: &[&str]) -> KeyedQueue {
        let mut queue = KeyedQueue::<()>::default();
        for (id, key) in (1..).zip(keys) {
            queue.offer(id, key, ());
        }
        queue
    }

    fn ids(queue: &mut KeyedQueue, holder: Holder, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| queue.take(holder, now)).map(|taken| taken.id).collect()
    }

    #[test]
    fn a_key_stays_with_its_holder_until_it_is_settled() {
        let now = Instant::now();
        let mut queue = filled(&["a", "b", "a"]);
        let first = queue.take(1, now).expect("an event");
        assert_eq!(ids(&mut queue, 2, now), [2]);
        assert!(queue.acknowledge(1, first).is_some());
        assert_eq!(ids(&mut queue, 2, now), [3]);
    }

    #[test]
    fn what_is_given_back_goes_out_before_later_events_of_its_key() {
        let now = Instant::now();
        let mut queue = filled(&["a", "a", "b", "a"]);
        let first = queue.take(1, now).expect("an event");
        let later = now + Duration::from_secs(1);
        assert!(queue.give_back(1, first, Some(later)));
        assert_eq!(ids(&mut queue, 1, now), [3]);
        assert_eq!(queue.next_due(), Some(later));
        assert_eq!(ids(&mut queue, 1, later), [1, 2, 4]);
    }

    #[test]
    fn a_late_settlement_of_an_earlier_delivery_has_no_effect() {
        let now = Instant::now();
        let mut queue = filled(&["a"]);
        let first = queue.take(1, now).expect("an event");
        queue.release(1);
        let second = queue.take(1, now).expect("the event again");
        assert_eq!(second.attempt, 2);
        assert!(queue.acknowledge(1, first).is_none());
        assert!(queue.acknowledge(1, second).is_some());
        assert_eq!(queue.len(), 0);
        assert!(queue.keys.is_empty());
    }

    proptest! {
        /// Whatever holders do, per key: nothing is lost, first deliveries ascend, and no two holders have the key at once.
        #[test]
        fn keeps_its_promises(
            keys in prop::collection::vec(0_u8..4, 1..40),
            steps in prop::collection::vec((0_u64..3, 0_u8..5, any::<prop::sample::Index>()), 0..200),
        ) {
            let start = Instant::now();
            let mut now = start;
            let mut queue = KeyedQueue::<()>::default();
            for (id, key) in (1..).zip(&keys) {
                queue.offer(id, &key.to_string(), ());
            }
            let mut out: Vec<(Holder, Taken)> = Vec::new();
            let mut newest: HashMap<u8, u64> = HashMap::new();
            let mut acknowledged = 0;
            for (holder, action, index) in steps {
                match action {
                    0 | 1 => if let Some(taken) = queue.take(holder, now) {
                        let key = keys[taken.id as usize - 1];
                        prop_assert!(out.iter().all(|(h, t)| *h == holder || keys[t.id as usize - 1] != key));
                        if taken.attempt == 1 {
                            prop_assert!(newest.insert(key, taken.id).is_none_or(|before| before < taken.id));
                        }
                        out.push((holder, taken));
                    },
                    2 if !out.is_empty() => {
                        let (holder, taken) = out.swap_remove(index.index(out.len()));
                        prop_assert!(queue.acknowledge(holder, taken).is_some());
                        acknowledged += 1;
                    }
                    3 if !out.is_empty() => {
                        let (holder, taken) = out.swap_remove(index.index(out.len()));
                        prop_assert!(queue.give_back(holder, taken, Some(now + Duration::from_millis(taken.id))));
                    }
                    4 => {
                        queue.release(holder);
                        out.retain(|(h, _)| *h != holder);
                        now += Duration::from_millis(7);
                    }
                    _ => {}
                }
                prop_assert_eq!(queue.len() + acknowledged, keys.len());
            }
            for (holder, _) in std::mem::take(&mut out) {
                queue.release(holder);
            }
            let rest = ids(&mut queue, 9, now + Duration::from_secs(60));
            prop_assert_eq!(rest.len() + acknowledged, keys.len());
        }
    }
}
