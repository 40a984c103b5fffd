//! Connections, a publisher that does not give up, and consumers whose events are judged as they come.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    ports::{Broker, DeliveryStream, EventPattern, Subscription},
    testing::broker::event,
};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A connection of its own.
pub(crate) async fn connect(url: &str) -> Broker {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    BrokerRegistry::with_builtin().connect(url, resources).await.expect("the server is there")
}

/// A stream of the group that every test has.
pub(crate) async fn subscribe(broker: &Broker) -> Box<dyn DeliveryStream> {
    let subscription = Subscription::new("group", vec![EventPattern::all()]).prefetch(32);
    broker.subscriber.subscribe(&subscription).await.expect("a subscription")
}

/// Events of these keys in turn, with each key's sequence from 1.
pub(crate) fn events(keys: u64, count: u64) -> Vec<EventEnvelope> {
    (0..count).map(|n| event("thing.done", &format!("thing-{}", n % keys), n / keys + 1)).collect()
}

/// Publishes as a relay does: what was not taken again and again, and nothing of a key before what comes earlier in it.
pub(crate) async fn publish_all(broker: &Broker, events: &[EventEnvelope]) {
    let mut left = events.to_vec();
    while !left.is_empty() {
        let outcomes = broker.publisher.publish_batch(&left).await;
        let failed = outcomes.iter().any(Result::is_err);
        left = left.into_iter().zip(outcomes).filter_map(|(event, o)| o.is_err().then_some(event)).collect();
        if failed {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What the consumers of a group have seen.
pub(crate) struct Tally {
    seen: Mutex<Seen>,
    /// Whether a key may be at one consumer only. That cannot hold while connections break: what a consumer still has goes to another.
    exclusive: bool,
}

#[derive(Default)]
struct Seen {
    missing: HashSet<Uuid>,
    last: HashMap<String, u64>,
    out: HashMap<String, (usize, usize)>,
    wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn new(expected: &[EventEnvelope], exclusive: bool) -> Arc<Self> {
        let missing = expected.iter().map(|event| event.id).collect();
        Arc::new(Self { seen: Mutex::new(Seen { missing, ..Seen::default() }), exclusive })
    }

    pub(crate) fn missing(&self) -> usize {
        self.seen.lock().unwrap().missing.len()
    }

    /// Fails if anything is missing or was wrong.
    pub(crate) fn verdict(&self) {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.wrong, Vec::<String>::new());
        assert!(seen.missing.is_empty(), "{} events did not come", seen.missing.len());
    }

    fn came(&self, consumer: usize, event: &EventEnvelope) {
        let mut seen = self.seen.lock().unwrap();
        let (holder, count) = *seen.out.get(&event.partition_key).unwrap_or(&(consumer, 0));
        if self.exclusive && count > 0 && holder != consumer {
            seen.wrong.push(format!("{} is at {holder} and {consumer} at once", event.partition_key));
        }
        seen.out.insert(event.partition_key.clone(), (consumer, count + 1));
    }

    fn handled(&self, event: &EventEnvelope) {
        let mut seen = self.seen.lock().unwrap();
        let last = seen.last.get(&event.partition_key).copied().unwrap_or(0);
        if event.sequence > last + 1 {
            seen.wrong.push(format!("{}: event {} came after event {last}", event.partition_key, event.sequence));
        }
        seen.last.insert(event.partition_key.clone(), last.max(event.sequence));
        seen.missing.remove(&event.id);
        if let Some((_, count)) = seen.out.get_mut(&event.partition_key) {
            *count = count.saturating_sub(1);
        }
    }

    /// Consumes until told to leave, one event after the other; then closes the stream, with some events unsettled.
    pub(crate) async fn consume(
        self: Arc<Self>,
        consumer: usize,
        mut stream: Box<dyn DeliveryStream>,
        leave: CancellationToken,
    ) {
        while let Some(batch) = leave.run_until_cancelled(stream.next()).await {
            let batch = batch.expect("the stream goes on");
            batch.iter().for_each(|delivery| self.came(consumer, &delivery.event));
            for delivery in batch {
                if leave.is_cancelled() {
                    self.given_back(&delivery.event);
                    continue;
                }
                tokio::time::sleep(Duration::from_micros(fastrand::u64(0..1_000))).await;
                self.handled(&delivery.event);
                // Where it is lost, the event comes again.
                let _lost = delivery.ack().await;
            }
        }
        let _lost = stream.close().await;
    }

    fn given_back(&self, event: &EventEnvelope) {
        let mut seen = self.seen.lock().unwrap();
        if let Some((_, count)) = seen.out.get_mut(&event.partition_key) {
            *count = count.saturating_sub(1);
        }
    }
}
