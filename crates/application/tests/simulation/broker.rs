//! A broker in memory: in order by key, at least once, each key at one stream at a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::ports::{Delivery, DeliveryStream, Settle, SettleError};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::{sync::watch, time::Instant};

use crate::chance::Chance;

#[derive(Clone, Copy, PartialEq)]
enum Slot {
    Ready(Instant),
    Out { stream: u64, number: u64 },
    Acked,
}

#[derive(Default)]
struct State {
    keys: BTreeMap<String, Vec<(EventEnvelope, Slot)>>,
    streams: u64,
    numbers: u64,
}

pub(crate) struct Broker {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    chance: Arc<Chance>,
    prefetch: usize,
    ack_first: bool,
}

impl Broker {
    pub(crate) fn new(chance: Arc<Chance>, ack_first: bool) -> Arc<Self> {
        let prefetch = usize::try_from(1 + chance.below(5)).expect("small");
        Arc::new(Self { state: Mutex::default(), changed: watch::Sender::default(), chance, prefetch, ack_first })
    }

    pub(crate) fn publish(&self, event: EventEnvelope) {
        let key = event.partition_key.clone();
        let slot = (event, Slot::Ready(Instant::now()));
        self.state.lock().expect("not poisoned").keys.entry(key).or_default().push(slot);
        self.ring();
    }

    pub(crate) fn stream(self: &Arc<Self>) -> Box<dyn DeliveryStream> {
        let mut state = self.state.lock().expect("not poisoned");
        state.streams += 1;
        Box::new(Stream { id: state.streams, broker: self.clone() })
    }

    pub(crate) fn all_acked(&self) -> bool {
        self.state.lock().expect("not poisoned").keys.values().flatten().all(|(_, slot)| *slot == Slot::Acked)
    }

    fn ring(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Changes the slots that are in one of these states.
    fn change(&self, wanted: impl Fn(Slot) -> bool, to: Slot) {
        let mut state = self.state.lock().expect("not poisoned");
        state.keys.values_mut().flatten().filter(|(_, slot)| wanted(*slot)).for_each(|(_, slot)| *slot = to);
        drop(state);
        self.ring();
    }

    /// A delivery for a stream, if there is one.
    fn take(self: &Arc<Self>, stream: u64) -> Option<Delivery> {
        let mut state = self.state.lock().expect("not poisoned");
        let mine = |slot: &Slot| matches!(slot, Slot::Out { stream: at, .. } if *at == stream);
        if state.keys.values().flatten().filter(|(_, slot)| mine(slot)).count() >= self.prefetch {
            return None;
        }
        state.numbers += 1;
        let number = state.numbers;
        let mut candidates = Vec::new();
        let now = Instant::now();
        for (key, slots) in &state.keys {
            if slots.iter().any(|(_, slot)| matches!(slot, Slot::Out { .. }) && !mine(slot)) {
                continue;
            }
            let next = slots.iter().position(|(_, slot)| matches!(slot, Slot::Ready(_)));
            let due = |at: &usize| matches!(slots[*at].1, Slot::Ready(from) if from <= now);
            candidates.extend(next.filter(due).map(|at| (key.clone(), at)));
        }
        if candidates.is_empty() {
            return None;
        }
        let chosen = usize::try_from(self.chance.below(candidates.len() as u64)).expect("small");
        let (key, at) = candidates.swap_remove(chosen);
        let slots = state.keys.get_mut(&key).expect("just seen");
        // Now and then one that was taken comes again.
        let again = slots.iter().position(|(_, slot)| *slot == Slot::Acked).filter(|_| self.chance.mishap(10));
        let at = again.unwrap_or(at);
        if again.is_none() {
            slots[at].1 = if self.ack_first { Slot::Acked } else { Slot::Out { stream, number } };
        }
        let settle = Settlement { slot: Slot::Out { stream, number }, broker: self.clone() };
        Some(Delivery::new(slots[at].0.clone(), again.is_some(), Box::new(settle)))
    }
}

struct Settlement {
    slot: Slot,
    broker: Arc<Broker>,
}

impl Settlement {
    fn settle(&self, to: Slot) {
        self.broker.change(|slot| slot == self.slot, to);
    }
}

#[async_trait]
impl Settle for Settlement {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        self.broker.chance.pause().await;
        if self.broker.chance.mishap(40) {
            self.settle(Slot::Ready(Instant::now()));
            return Err(SettleError("lost by chance".into()));
        }
        self.settle(Slot::Acked);
        Ok(())
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError> {
        self.settle(Slot::Ready(Instant::now() + delay));
        Ok(())
    }

    fn abandon(self: Box<Self>) {
        self.settle(Slot::Ready(Instant::now()));
    }
}

struct Stream {
    id: u64,
    broker: Arc<Broker>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        let id = self.id;
        let mine = |slot: Slot| matches!(slot, Slot::Out { stream, .. } if stream == id);
        self.broker.change(mine, Slot::Ready(Instant::now()));
    }
}

#[async_trait]
impl DeliveryStream for Stream {
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        let mut changed = self.broker.changed.subscribe();
        loop {
            self.broker.chance.pause().await;
            changed.mark_unchanged();
            if let Some(delivery) = self.broker.take(self.id) {
                return Some(vec![delivery]);
            }
            // What was given back with a delay rings for nobody when it is over.
            let _changed = tokio::time::timeout(Duration::from_millis(200), changed.changed()).await;
        }
    }

    async fn close(self: Box<Self>) -> Result<(), SettleError> {
        Ok(())
    }
}
