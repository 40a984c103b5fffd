//! Brokers on servers that are killed, freeze, or lose what they keep, under load: what was accepted arrives, once it is told apart by its id, and in order per key.
#![cfg(any(feature = "redis", feature = "nats"))]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what goes wrong fails the test")]

mod support;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    ports::{Broker, BrokerHealth, Delivery, EventPattern, EventSubscriber, Subscription},
    testing::broker::event,
};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use nix::sys::signal::Signal;
use support::{Kind, PrivateBroker, eventually};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Within which time a server that does not answer has to be noticed.
const NOTICED: Duration = Duration::from_secs(15);

/// Within which time a publish has an outcome, whatever the server does: the adapters give up after 5 s.
const PUBLISHED: Duration = Duration::from_secs(10);

const NAMESPACE: &str = "faults";

/// What the consumers have taken, as an inbox would let them.
#[derive(Default)]
struct Inbox {
    seen: HashSet<Uuid>,
    /// The last sequence of each key.
    last: HashMap<String, u64>,
    wrong: Vec<String>,
}

impl Inbox {
    fn take(&mut self, delivery: &Delivery) {
        let event = &delivery.event;
        if !self.seen.insert(event.id) {
            return;
        }
        let last = self.last.entry(event.partition_key.clone()).or_default();
        if event.sequence != *last + 1 {
            self.wrong.push(format!("{}: {} came after {last}", event.partition_key, event.sequence));
        }
        *last = event.sequence;
    }
}

/// A server and what works with it.
struct World {
    server: PrivateBroker,
    inbox: Arc<Mutex<Inbox>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl World {
    fn start(kind: Kind) -> Option<Self> {
        let server = PrivateBroker::start(kind);
        if server.is_none() {
            support::broker_left_out(kind);
        }
        Some(Self { server: server?, inbox: Arc::default(), stop: CancellationToken::new(), tasks: JoinSet::new() })
    }

    async fn connect(&self) -> Broker {
        let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
        BrokerRegistry::with_builtin()
            .connect(&self.server.url(NAMESPACE), resources)
            .await
            .expect("the server is there")
    }

    /// Another process' worth of consumer in the one group.
    async fn consume(&mut self) -> Arc<dyn EventSubscriber> {
        let subscriber = self.connect().await.subscriber;
        let subscription = Subscription::new("group", vec![EventPattern::all()]).prefetch(64);
        let mut stream = subscriber.subscribe(&subscription).await.expect("a subscription");
        let (inbox, stop) = (Arc::clone(&self.inbox), self.stop.clone());
        self.tasks.spawn(async move {
            while let Some(Some(batch)) = stop.run_until_cancelled(stream.next()).await {
                for delivery in batch {
                    inbox.lock().unwrap().take(&delivery);
                    // Lost with the connection it came by: it comes again.
                    let _ = delivery.ack().await;
                }
            }
        });
        subscriber
    }

    /// Publishes so many events of a key, each until it is taken.
    async fn publish(&mut self, key: &str, events: std::ops::RangeInclusive<u64>) {
        let (publisher, key) = (self.connect().await.publisher, key.to_owned());
        self.tasks.spawn(async move {
            for number in events {
                let event = event("thing.done", &key, number);
                while let Err(error) = publisher.publish(&event).await {
                    assert!(error.is_transient(), "{error}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }

    fn taken(&self) -> usize {
        self.inbox.lock().unwrap().seen.len()
    }

    async fn reaches(&self, events: usize) {
        let what = format!("{events} events are taken");
        eventually(&what, PATIENCE, async || (self.taken() >= events).then_some(())).await;
    }

    /// Ends everything; what was taken was in order.
    async fn finish(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no task panics");
        }
        let inbox = self.inbox.lock().unwrap();
        assert!(inbox.wrong.is_empty(), "out of order: {:?}", inbox.wrong);
    }
}

/// SIGKILL in the midst of load, again and again.
async fn kills_lose_nothing(kind: Kind) {
    const KEYS: u64 = 8;
    const EVENTS: u64 = 400;
    const KILLS: usize = 6;
    let Some(mut world) = World::start(kind) else { return };
    for _ in 0..2 {
        world.consume().await;
    }
    for key in 0..KEYS {
        world.publish(&format!("key-{key}"), 1..=EVENTS).await;
    }
    for kill in 1..=KILLS {
        let all = usize::try_from(KEYS * EVENTS).unwrap();
        world.reaches((all / (KILLS + 1)) * kill).await;
        world.server.kill();
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..1_500))).await;
        world.server.restart();
    }
    world.reaches(usize::try_from(KEYS * EVENTS).unwrap()).await;
    world.finish().await;
}

/// A server that stands still is noticed, and what it does afterwards is as before.
async fn a_frozen_server_is_noticed(kind: Kind) {
    let Some(mut world) = World::start(kind) else { return };
    let subscriber = world.consume().await;
    world.publish("a", 1..=50).await;
    world.reaches(50).await;
    let publisher = world.connect().await.publisher;
    world.server.signal(Signal::SIGSTOP);
    let event = event("thing.done", "b", 1);
    let published = tokio::time::timeout(PUBLISHED, publisher.publish(&event));
    let refused = published.await.expect("publishing does not hang");
    assert!(refused.expect_err("nobody took it").is_transient());
    let degraded = async || {
        let both = [subscriber.health(), publisher.health()];
        both.iter().all(|health| matches!(health, BrokerHealth::Degraded(_))).then_some(())
    };
    eventually("both ends say that something is wrong", NOTICED, degraded).await;
    world.server.signal(Signal::SIGCONT);
    eventually("it says that all is well", PATIENCE, async || (subscriber.health() == BrokerHealth::Up).then_some(()))
        .await;
    world.publish("a", 51..=100).await;
    world.reaches(100).await;
    world.finish().await;
}

/// All that the server keeps is deleted while it is used: what is published afterwards arrives.
async fn what_was_deleted_is_made_anew(kind: Kind, delete: impl AsyncFnOnce(&str)) {
    let Some(mut world) = World::start(kind) else { return };
    world.consume().await;
    world.publish("a", 1..=50).await;
    world.reaches(50).await;
    delete(&world.server.url(NAMESPACE)).await;
    world.publish("a", 51..=60).await;
    eventually("what is published afterwards arrives", NOTICED, async || (world.taken() >= 60).then_some(())).await;
    world.finish().await;
}

macro_rules! on {
    ($feature:literal, $module:ident, $kind:expr, $delete:expr) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn kills_lose_nothing() {
                super::kills_lose_nothing($kind).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_frozen_server_is_noticed() {
                super::a_frozen_server_is_noticed($kind).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn what_was_deleted_is_made_anew() {
                super::what_was_deleted_is_made_anew($kind, $delete).await;
            }
        }
    };
}

on!("redis", redis, Kind::Redis, async |url: &str| {
    let (server, _) = url.split_once('?').expect("options");
    let client = ::redis::Client::open(server).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let (): () = ::redis::cmd("FLUSHALL").query_async(&mut connection).await.expect("it deletes");
});

on!("nats", nats, Kind::Nats, async |url: &str| {
    let (server, _) = url.split_once('?').expect("options");
    let client = async_nats::connect(server).await.expect("a connection");
    let jetstream = async_nats::jetstream::new(client);
    jetstream.delete_stream(NAMESPACE).await.expect("it deletes");
    jetstream.delete_key_value(format!("{NAMESPACE}-groups")).await.expect("it deletes");
});

/// A reader whose consumer the server keeps alive and feeds nothing, here because it was paused: heartbeats come all the while.
#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_fed_nothing_is_noticed() {
    use futures::TryStreamExt;
    let Some(mut world) = World::start(Kind::Nats) else { return };
    let subscriber = world.consume().await;
    world.publish("a", 1..=50).await;
    world.reaches(50).await;
    let url = world.server.url(NAMESPACE);
    let (server, _) = url.split_once('?').expect("options");
    let client = async_nats::connect(server).await.expect("a connection");
    let stream = async_nats::jetstream::new(client.clone()).get_stream(NAMESPACE).await.expect("the stream");
    let readers: Vec<String> = stream.consumer_names().try_collect().await.expect("its readers");
    assert!(!readers.is_empty());
    for reader in readers {
        let subject = format!("$JS.API.CONSUMER.PAUSE.{NAMESPACE}.{reader}");
        let answer = client.request(subject, r#"{"pause_until":"2200-01-01T00:00:00Z"}"#.into()).await;
        let answer = String::from_utf8_lossy(&answer.expect("an answer").payload).into_owned();
        assert!(answer.contains(r#""paused":true"#), "{answer}");
    }
    world.publish("a", 51..=60).await;
    let degraded = async || matches!(subscriber.health(), BrokerHealth::Degraded(_)).then_some(());
    eventually("the subscriber says that something is wrong", NOTICED, degraded).await;
    world.reaches(60).await;
    world.finish().await;
}

/// The driver has five thousand messages on the way at most: eight relay partitions that publish as much as they may at the same time must not wait for each other for ever.
#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_driver_sends_at_once_is_published() {
    const BATCHES: usize = 8;
    const BATCH: usize = 1_000;
    let Some(mut world) = World::start(Kind::Nats) else { return };
    world.consume().await;
    let publisher = world.connect().await.publisher;
    let batches = (0..BATCHES).map(async |batch| {
        let mut left: Vec<_> = (0..BATCH).map(|key| event("thing.done", &format!("{batch}-{key}"), 1)).collect();
        while !left.is_empty() {
            let outcomes = publisher.publish_batch(&left).await;
            // Those that were not answered in time are published again.
            let outcomes = outcomes.into_iter().zip(left);
            left = outcomes.filter_map(|(outcome, event)| outcome.is_err().then_some(event)).collect();
        }
    });
    tokio::time::timeout(PATIENCE, futures::future::join_all(batches)).await.expect("all is published");
    world.reaches(BATCHES * BATCH).await;
    world.finish().await;
}

/// A stream that is deleted and at once holds more than was read of the one before: nobody goes on in the midst of it.
#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_made_anew_is_read_from_its_beginning_however_long_it_is() {
    let Some(mut world) = World::start(Kind::Nats) else { return };
    world.consume().await;
    world.publish("a", 1..=20).await;
    world.reaches(20).await;
    let url = world.server.url(NAMESPACE);
    let (server, _) = url.split_once('?').expect("options");
    let jetstream = async_nats::jetstream::new(async_nats::connect(server).await.expect("a connection"));
    jetstream.delete_stream(NAMESPACE).await.expect("it deletes");
    world.publish("a", 21..=200).await;
    world.reaches(200).await;
    // And who was away meanwhile: the group's positions are those of the stream before.
    world.stop.cancel();
    while let Some(ended) = world.tasks.join_next().await {
        ended.expect("no task panics");
    }
    jetstream.delete_stream(NAMESPACE).await.expect("it deletes");
    world.stop = CancellationToken::new();
    world.publish("a", 201..=500).await;
    while world.tasks.join_next().await.is_some() {}
    world.consume().await;
    world.reaches(500).await;
    world.finish().await;
}
