//! Clients that nobody here wrote: the Python SDK of CloudEvents, with the usual Python client of each broker. What they publish is delivered, what is published here they
//! read; every attribute arrives as it was sent, in the order of its key.
#![cfg(all(feature = "kafka", feature = "nats", feature = "rabbitmq", feature = "redis"))]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "interop/python.rs"]
mod python;
#[path = "interop/samples.rs"]
mod samples;
mod support;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use activelog_application::ports::{Broker, DeliveryStream, EventPattern, Subscription};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use python::Python;
use support::{Kind, broker, fresh_namespace};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// A broker of this binary, a namespace of its own on it, and a client in Python. `None` where one of them is missing, which is said.
fn stage(kind: Kind) -> Option<(String, Python)> {
    let program = python::find()?;
    let url = fresh_namespace(kind)?;
    let namespace = url.split("namespace=").nth(1).and_then(|rest| rest.split('&').next()).expect("a namespace");
    let python = Python { program, kind, port: broker(kind)?.port(), namespace: namespace.to_owned() };
    Some((url, python))
}

async fn connect(url: &str) -> Broker {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    BrokerRegistry::with_builtin().connect(url, resources).await.expect("the server is there")
}

async fn subscribe(broker: &Broker) -> Box<dyn DeliveryStream> {
    let subscription = Subscription::new("group", vec![EventPattern::all()]);
    broker.subscriber.subscribe(&subscription).await.expect("a subscription")
}

async fn take(stream: &mut Box<dyn DeliveryStream>, count: usize) -> Vec<EventEnvelope> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = timeout(PATIENCE, stream.next()).await;
        for delivery in batch.unwrap_or_else(|_| panic!("only {taken:?} came")).expect("the stream goes on") {
            taken.push(EventEnvelope::clone(&delivery.event));
            delivery.ack().await.expect("it is ours");
        }
    }
    taken
}

/// The values by key, each in the order it has.
fn by_key<T>(values: impl IntoIterator<Item = (String, T)>) -> BTreeMap<String, Vec<T>> {
    let mut all = BTreeMap::<_, Vec<T>>::new();
    values.into_iter().for_each(|(key, value)| all.entry(key).or_default().push(value));
    all
}

async fn theirs_are_delivered(kind: Kind) {
    let Some((url, python)) = stage(kind) else { return };
    let broker = connect(&url).await;
    let mut stream = subscribe(&broker).await;
    let samples = samples::theirs(kind);
    python.publish(&samples).await;
    let mut taken = take(&mut stream, samples.len()).await;
    let expected = by_key(samples.into_iter().map(|sample| (sample.read.partition_key.clone(), sample.read)));
    for event in &mut taken {
        // The SDK gives a time to an event that has none.
        if event.source == samples::WITHOUT_TIME {
            event.time = samples::TIME;
        }
    }
    let taken = by_key(taken.into_iter().map(|event| (event.partition_key.clone(), event)));
    for (key, events) in &expected {
        assert_eq!(taken.get(key), Some(events), "{key}");
    }
    assert_eq!(taken.len(), expected.len());
    stream.close().await.expect("it closes");
}

async fn ours_are_read(kind: Kind) {
    let Some((url, python)) = stage(kind) else { return };
    let broker = connect(&url).await;
    let events = samples::ours();
    let mut reader = python.consume(events.len()).await;
    for outcome in broker.publisher.publish_batch(&events).await {
        outcome.expect("it is taken");
    }
    let mut read = Vec::new();
    while read.len() < events.len() {
        read.push(reader.next(PATIENCE).await);
    }
    let expected = by_key(events.iter().map(|event| (event.partition_key.clone(), samples::as_read(event))));
    let key = |read: &samples::Read| read.attributes["partitionkey"].as_str().expect("a key").to_owned();
    let read = by_key(read.into_iter().map(|read| (key(&read), read)));
    for (key, events) in &expected {
        assert_eq!(read.get(key), Some(events), "{key}");
    }
    assert_eq!(read.len(), expected.len());
}

#[tokio::test]
async fn events_published_by_python_over_redis_are_delivered() {
    theirs_are_delivered(Kind::Redis).await;
}

#[tokio::test]
async fn events_published_by_python_over_nats_are_delivered() {
    theirs_are_delivered(Kind::Nats).await;
}

#[tokio::test]
async fn events_published_by_python_over_rabbitmq_are_delivered() {
    theirs_are_delivered(Kind::RabbitMq).await;
}

#[tokio::test]
async fn events_published_by_python_over_kafka_are_delivered() {
    theirs_are_delivered(Kind::Kafka).await;
}

#[tokio::test]
async fn events_are_read_by_python_over_redis() {
    ours_are_read(Kind::Redis).await;
}

#[tokio::test]
async fn events_are_read_by_python_over_nats() {
    ours_are_read(Kind::Nats).await;
}

#[tokio::test]
async fn events_are_read_by_python_over_rabbitmq() {
    ours_are_read(Kind::RabbitMq).await;
}

#[tokio::test]
async fn events_are_read_by_python_over_kafka() {
    ours_are_read(Kind::Kafka).await;
}
