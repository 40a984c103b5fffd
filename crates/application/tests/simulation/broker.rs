//! A broker in memory: in order by key, at least once, each key at one stream at a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use activelog_application::ports::{
    BrokerHealth, Delivery, DeliveryStream, EventPublisher, PublishError, PublishErrorKind, Settle, SettleError,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use crate::{chance::Chance, process::Process};

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
    changed: Notify,
    chance: Arc<Chance>,
    prefetch: usize,
    ack_first: bool,
}

impl Broker {
    pub(crate) fn new(chance: Arc<Chance>, ack_first: bool) -> Arc<Self> {
        let prefetch = 1 + chance.index(5);
        Arc::new(Self { state: Mutex::default(), changed: Notify::new(), chance, prefetch, ack_first })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// A stream of a process, and its number.
    pub(crate) fn stream(self: &Arc<Self>, process: &Arc<Process>) -> (Box<dyn DeliveryStream>, u64) {
        let mut state = self.state();
        state.streams += 1;
        let id = state.streams;
        (Box::new(Stream { id, broker: self.clone(), process: process.clone() }), id)
    }

    pub(crate) fn all_acked(&self) -> bool {
        self.state().keys.values().flatten().all(|(_, slot)| *slot == Slot::Acked)
    }

    /// Takes everything back that a stream has: it has not been heard of for too long.
    pub(crate) fn revoke(&self, id: u64) {
        self.change(|slot| matches!(slot, Slot::Out { stream, .. } if stream == id), Slot::Ready(Instant::now()));
    }

    /// The most deliveries that a stream has under way.
    pub(crate) fn prefetch(&self) -> u64 {
        self.prefetch as u64
    }

    fn append(&self, event: &EventEnvelope) {
        let slot = (event.clone(), Slot::Ready(Instant::now()));
        self.state().keys.entry(event.partition_key.clone()).or_default().push(slot);
        self.changed.notify_waiters();
    }

    /// Changes the slots that are in one of these states.
    fn change(&self, wanted: impl Fn(Slot) -> bool, to: Slot) {
        let mut state = self.state();
        state.keys.values_mut().flatten().filter(|(_, slot)| wanted(*slot)).for_each(|(_, slot)| *slot = to);
        drop(state);
        self.changed.notify_waiters();
    }

    /// A delivery for a stream, if there is one.
    fn take(self: &Arc<Self>, stream: u64, process: &Arc<Process>) -> Option<Delivery> {
        let mut state = self.state();
        let mine = |slot: &Slot| matches!(slot, Slot::Out { stream: at, .. } if *at == stream);
        if state.keys.values().flatten().filter(|(_, slot)| mine(slot)).count() >= self.prefetch {
            return None;
        }
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
        let (key, at) = candidates.swap_remove(self.chance.index(candidates.len()));
        state.numbers += 1;
        let out = Slot::Out { stream, number: state.numbers };
        let slots = state.keys.get_mut(&key).expect("just seen");
        // Now and then one comes again that was acknowledged.
        let acked: Vec<usize> = (0..slots.len()).filter(|at| slots[*at].1 == Slot::Acked).collect();
        let again = !acked.is_empty() && self.chance.mishap(10);
        let at = if again { acked[self.chance.index(acked.len())] } else { at };
        if !again {
            slots[at].1 = if self.ack_first { Slot::Acked } else { out };
        }
        process.note(|| format!("is given {key}/{}{}", slots[at].0.sequence, if again { " again" } else { "" }));
        let settle = Settlement { slot: out, broker: self.clone(), process: process.clone() };
        Some(Delivery::new(Arc::new(slots[at].0.clone()), again, Box::new(settle)))
    }
}

struct Settlement {
    slot: Slot,
    broker: Arc<Broker>,
    process: Arc<Process>,
}

impl Settlement {
    /// Changes nothing when the broker has taken the delivery back.
    fn settle(&self, to: Slot) {
        self.broker.change(|slot| slot == self.slot, to);
    }
}

#[async_trait]
impl Settle for Settlement {
    async fn ack(self: Box<Self>) -> Result<(), SettleError> {
        self.process.pause().await;
        if self.broker.chance.mishap(40) {
            self.settle(Slot::Ready(Instant::now()));
            return Err(SettleError("lost by chance".into()));
        }
        self.settle(Slot::Acked);
        self.process.pause().await;
        Ok(())
    }

    async fn nack(self: Box<Self>, delay: Duration) -> Result<(), SettleError> {
        self.process.pause().await;
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
    process: Arc<Process>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.broker.revoke(self.id);
    }
}

#[async_trait]
impl DeliveryStream for Stream {
    async fn next(&mut self) -> Option<Vec<Delivery>> {
        loop {
            self.process.pause().await;
            let changed = self.broker.changed.notified();
            if let Some(delivery) = self.broker.take(self.id, &self.process) {
                return Some(vec![delivery]);
            }
            // What was given back with a delay rings for nobody when it is over.
            let _changed = timeout(Duration::from_millis(500), changed).await;
        }
    }

    async fn close(self: Box<Self>) -> Result<(), SettleError> {
        Ok(())
    }
}

/// The broker's other end, as a relay reaches it.
pub(crate) struct Publisher(pub(crate) Arc<Process>);

#[async_trait]
impl EventPublisher for Publisher {
    async fn publish(&self, event: &EventEnvelope) -> Result<(), PublishError> {
        let (process, world) = (&self.0, &self.0.world);
        process.pause().await;
        let failed = |kind| Err(PublishError::new(kind, "by chance"));
        let outcome = if world.is_away() || world.chance.mishap(60) {
            failed(PublishErrorKind::Unavailable)
        } else if world.chance.mishap(60) {
            failed(PublishErrorKind::Rejected)
        } else {
            world.broker.append(event);
            if world.chance.mishap(60) { failed(PublishErrorKind::Unknown) } else { Ok(()) }
        };
        process.told(&format!("publish {}/{}", event.partition_key, event.sequence), &outcome);
        process.pause().await;
        outcome
    }

    async fn publish_batch(&self, events: &[EventEnvelope]) -> Vec<Result<(), PublishError>> {
        let mut outcomes = Vec::with_capacity(events.len());
        for event in events {
            outcomes.push(self.publish(event).await);
        }
        outcomes
    }

    fn health(&self) -> BrokerHealth {
        BrokerHealth::Up
    }

    async fn close(&self) -> Result<(), PublishError> {
        Ok(())
    }
}
