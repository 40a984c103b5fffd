//! Connections whose other end is gone without a word, as behind a router that has forgotten them: they stay open, and nothing arrives by them ever again. Each broker's
//! adapter has to notice, and to go on by new ones.
#![cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "what goes wrong fails the test")]
#![expect(clippy::print_stdout, reason = "a test tells by printing")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    ports::{Broker, BrokerHealth, DeliveryStream, EventPattern, Subscription},
    testing::broker::event,
};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use support::{
    Kind, PrivateBroker, eventually,
    private_broker::Placement,
    proxy::{Proxy, Share, Trouble},
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Within which time it has to be noticed.
const NOTICED: Duration = Duration::from_secs(15);

/// Within which time a publish has an outcome: the adapters give up after 10 s at most.
const PUBLISHED: Duration = Duration::from_secs(15);

/// How long anything else may take.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(url: &str) -> Broker {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    BrokerRegistry::with_builtin().connect(url, resources).await.expect("the server is there")
}

/// Publishes an event until it is taken.
async fn publish(broker: &Broker, key: &str, sequence: u64) {
    let event = event("thing.done", key, sequence);
    let start = Instant::now();
    while let Err(error) = timeout(PUBLISHED, broker.publisher.publish(&event)).await.expect("publishing does not hang")
    {
        assert!(error.is_transient(), "{error}");
        assert!(start.elapsed() < PATIENCE, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a consumer has taken of two keys.
#[derive(Default)]
struct Taken {
    /// The last of what others publish.
    theirs: u64,
    /// The last of its own.
    own: u64,
}

/// Takes events in the order of their key, until told to stop.
async fn consume(mut stream: Box<dyn DeliveryStream>, taken: Arc<Mutex<Taken>>, stop: CancellationToken) {
    while let Some(batch) = stop.run_until_cancelled(stream.next()).await {
        for delivery in batch.expect("the stream goes on") {
            {
                let mut taken = taken.lock().unwrap();
                let last = if delivery.event.partition_key == "own" { &mut taken.own } else { &mut taken.theirs };
                let sequence = delivery.event.sequence;
                assert!(
                    sequence <= *last + 1,
                    "event {sequence} of {} came after {last}",
                    delivery.event.partition_key
                );
                *last = sequence.max(*last);
            }
            // Lost with the connection it came by: it comes again.
            let _lost = delivery.ack().await;
        }
    }
    // The last acknowledgements may be lost too.
    let _lost = stream.close().await;
}

/// All of them, and then only some: those that are left may tell that all is well while nothing comes by the others.
async fn connections_that_lead_nowhere_are_left(kind: Kind) {
    let proxy = Proxy::start(support::seed("half_open")).await.expect("a port");
    let placement = Placement { advertised: Some(proxy.port()), ..Placement::default() };
    let Some(server) = PrivateBroker::start_at(kind, &placement) else { return support::broker_left_out(kind) };
    proxy.forward_to(server.port());
    let url = server.url_at(proxy.port(), "half_open");
    let broker = connect(&url).await;
    let (taken, stop) = (Arc::new(Mutex::new(Taken::default())), CancellationToken::new());
    let subscription = Subscription::new("group", vec![EventPattern::all()]);
    let stream = broker.subscriber.subscribe(&subscription).await.expect("a stream");
    let consuming = tokio::spawn(consume(stream, Arc::clone(&taken), stop.clone()));
    let (mut theirs, mut own) = (0, 0);
    for share in [Share::All, Share::Half(0), Share::Half(1)] {
        theirs += 1;
        publish(&broker, "theirs", theirs).await;
        let flows = async || (taken.lock().unwrap().theirs == theirs).then_some(());
        eventually("events flow", PATIENCE, flows).await;
        proxy.trouble(Trouble::HalfOpen, share).await;
        let lost = Instant::now();
        theirs += 1;
        own += 1;
        let arrives = async {
            publish(&connect(&url).await, "theirs", theirs).await;
            let arrives = async || (taken.lock().unwrap().theirs == theirs).then_some(());
            eventually("what others publish arrives", PATIENCE, arrives).await;
            lost.elapsed()
        };
        let noticed = async {
            let told = async || {
                let is_told = matches!(broker.subscriber.health(), BrokerHealth::Degraded(_));
                (is_told || taken.lock().unwrap().theirs == theirs).then_some(())
            };
            eventually("it is told, or all is well", NOTICED, told).await;
            lost.elapsed()
        };
        let published = async {
            publish(&broker, "own", own).await;
            lost.elapsed()
        };
        let (noticed, arrived, published) = tokio::join!(noticed, arrives, published);
        println!("{share:?}: noticed in {noticed:.1?}, delivery after {arrived:.1?}, published after {published:.1?}");
        let is_well = async || {
            let healths = [broker.publisher.health(), broker.subscriber.health()];
            let is_all = taken.lock().unwrap().own == own;
            (is_all && healths.iter().all(|health| *health == BrokerHealth::Up)).then_some(())
        };
        eventually("all has arrived, and both ends say that all is well", PATIENCE, is_well).await;
    }
    stop.cancel();
    consuming.await.expect("the order of each key holds");
}

macro_rules! on {
    ($feature:literal, $module:ident, $kind:expr) => {
        #[cfg(feature = $feature)]
        mod $module {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn connections_that_lead_nowhere_are_left() {
                super::connections_that_lead_nowhere_are_left($kind).await;
            }
        }
    };
}

on!("redis", redis, Kind::Redis);
on!("nats", nats, Kind::Nats);
on!("rabbitmq", rabbitmq, Kind::RabbitMq);
on!("kafka", kafka, Kind::Kafka);
