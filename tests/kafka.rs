//! Kafka through what a server may do to it: it is killed and started again, it freezes, its topic is deleted, and others write to it.
#![cfg(feature = "kafka")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "kafka/members.rs"]
mod members;
mod support;

use std::{
    collections::{HashMap, HashSet},
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use activelog_application::{
    ports::{Broker, BrokerHealth, DeliveryStream, EventPattern, SettleError, Subscription},
    testing::broker::event,
};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use nix::sys::signal::Signal;
use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use support::{Kind, PrivateBroker, eventually};
use tokio::time::{Instant, timeout};

const KEYS: usize = 12;

/// A server of one's own; `None` where Kafka is not installed, which is said.
fn server() -> Option<PrivateBroker> {
    support::broker(Kind::Kafka)?;
    PrivateBroker::start(Kind::Kafka)
}

async fn connect(server: &PrivateBroker, namespace: &str) -> Broker {
    connect_to(&server.url(namespace)).await
}

async fn connect_to(url: &str) -> Broker {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    BrokerRegistry::with_builtin().connect(url, resources).await.expect("the server is there")
}

async fn stream(broker: &Broker) -> Box<dyn DeliveryStream> {
    let subscription = Subscription::new("group", vec![EventPattern::all()]);
    broker.subscriber.subscribe(&subscription).await.expect("a stream")
}

/// Publishes an event again and again until it is taken.
async fn publish(broker: &Broker, key: &str, sequence: u64) {
    let event = event("thing.done", key, sequence);
    let start = Instant::now();
    while let Err(error) = broker.publisher.publish(&event).await {
        assert!(error.is_transient(), "{error}");
        assert!(start.elapsed() < Duration::from_secs(90), "{key} {sequence}: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What has been acknowledged: per key the last sequence, and everything.
#[derive(Default)]
struct Ledger {
    last: HashMap<String, u64>,
    taken: HashSet<(String, u64)>,
}

/// Takes events until told to stop. Each is new and the next of its key, or has been taken before. What came of closing.
async fn consume(
    mut stream: Box<dyn DeliveryStream>,
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
) -> Result<(), SettleError> {
    while !stop.load(Ordering::Relaxed) {
        let Ok(batch) = timeout(Duration::from_millis(100), stream.next()).await else { continue };
        for delivery in batch.expect("the stream goes on") {
            let (key, sequence) = (delivery.event.partition_key.clone(), delivery.event.sequence);
            {
                let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
                let last = ledger.last.entry(key.clone()).or_insert(0);
                assert!(sequence <= *last + 1, "{key}: event {sequence} came after event {last}");
                *last = (*last).max(sequence);
                ledger.taken.insert((key, sequence));
            }
            // A lost settlement leads to another delivery.
            let _lost = delivery.ack().await;
        }
    }
    stream.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_is_delivered_in_order_however_often_the_server_is_killed() {
    let Some(server) = server() else { return };
    let server = Arc::new(server);
    let (ledger, stop) = (Arc::new(Mutex::new(Ledger::default())), Arc::new(AtomicBool::new(false)));
    let broker = connect(&server, "kills").await;
    let other = connect(&server, "kills").await;
    let mut consumers = Vec::new();
    for broker in [&broker, &broker, &other] {
        consumers.push(tokio::spawn(consume(stream(broker).await, Arc::clone(&ledger), Arc::clone(&stop))));
    }
    let done = Arc::new(AtomicBool::new(false));
    let mut publishers = Vec::new();
    for key in 0..KEYS {
        let (broker, done) = (broker.clone(), Arc::clone(&done));
        publishers.push(tokio::spawn(async move {
            let mut sequence = 0;
            while !done.load(Ordering::Relaxed) {
                sequence += 1;
                publish(&broker, &format!("key-{key}"), sequence).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            sequence
        }));
    }
    for pause in [0, 2, 8] {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let server = Arc::clone(&server);
        server.kill();
        tokio::time::sleep(Duration::from_secs(pause)).await;
        tokio::task::spawn_blocking(move || server.restart()).await.expect("it starts again");
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    done.store(true, Ordering::Relaxed);
    let mut expected = HashSet::new();
    for (key, publisher) in publishers.into_iter().enumerate() {
        let last = publisher.await.expect("publishing goes on");
        expected.extend((1..=last).map(|sequence| (format!("key-{key}"), sequence)));
    }
    eventually("everything arrives", Duration::from_secs(60), || async {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = consumers.iter().any(|consumer| consumer.is_finished());
        (failed || expected.is_subset(&ledger.taken)).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for consumer in consumers {
        consumer.await.expect("the order of every key holds").expect("it closes");
    }
    eventually("health is up again", Duration::from_secs(10), || async {
        (broker.publisher.health() == BrokerHealth::Up && broker.subscriber.health() == BrokerHealth::Up).then_some(())
    })
    .await;
    let lag = eventually("the lag is zero", Duration::from_secs(10), || async {
        let lag = broker.subscriber.lag("group").await.ok().flatten()?;
        (lag.events == 0).then_some(lag)
    });
    assert_eq!(lag.await.age, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_freezes_is_noticed_and_goes_on() {
    let Some(server) = server() else { return };
    let broker = connect(&server, "freeze").await;
    let mut stream = stream(&broker).await;
    publish(&broker, "key", 1).await;
    for delivery in stream.next().await.expect("an event") {
        delivery.ack().await.expect("it is ours");
    }
    server.signal(Signal::SIGSTOP);
    let frozen = Instant::now();
    let noticed = Duration::from_secs(15);
    for end in ["publisher", "subscriber"] {
        eventually(end, noticed.saturating_sub(frozen.elapsed()), || async {
            let health = if end == "publisher" { broker.publisher.health() } else { broker.subscriber.health() };
            matches!(health, BrokerHealth::Degraded(_)).then_some(())
        })
        .await;
    }
    let refused = timeout(Duration::from_secs(10), broker.publisher.publish(&event("thing.done", "key", 2))).await;
    assert!(refused.expect("publishing does not hang").is_err());
    server.signal(Signal::SIGCONT);
    publish(&broker, "key", 2).await;
    let mut last = 0;
    while last < 2 {
        let batch = timeout(Duration::from_secs(20), stream.next()).await.expect("it goes on");
        for delivery in batch.expect("the stream lives") {
            // The acknowledgement of the first may not have reached the server before it froze.
            last = delivery.event.sequence;
            let _lost = delivery.ack().await;
        }
    }
    eventually("health is up again", noticed, || async {
        (broker.subscriber.health() == BrokerHealth::Up).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_is_made_anew_and_delivers() {
    let Some(server) = server() else { return };
    let broker = connect(&server, "deleted").await;
    let mut stream = stream(&broker).await;
    for sequence in 1..=20 {
        publish(&broker, "key", sequence).await;
    }
    let mut taken = 0;
    while taken < 20 {
        for delivery in timeout(Duration::from_secs(10), stream.next()).await.expect("events").expect("a stream") {
            taken = delivery.event.sequence;
            delivery.ack().await.expect("it is ours");
        }
    }
    delete_topic(server.port(), "deleted.events");
    publish(&broker, "key", 21).await;
    publish(&broker, "other", 1).await;
    let mut missing = HashSet::from([("key".to_owned(), 21), ("other".to_owned(), 1)]);
    while !missing.is_empty() {
        let batch = timeout(Duration::from_secs(15), stream.next()).await;
        for delivery in batch.unwrap_or_else(|_| panic!("{missing:?} do not come")).expect("a stream") {
            missing.remove(&(delivery.event.partition_key.clone(), delivery.event.sequence));
            let _lost = delivery.ack().await;
        }
    }
    eventually("health is up again", Duration::from_secs(15), || async {
        (broker.subscriber.health() == BrokerHealth::Up).then_some(())
    })
    .await;
}

/// Murmur2 as Kafka's own clients have it, of keys whose hashes its own tests name: who publishes a key with Java meets the same partition.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_made_as_configured_and_keys_lie_where_java_puts_them() {
    const PARTITIONS: i32 = 7;
    const HASHES: [(&str, i32); 4] = [
        ("21", -973_932_308),
        ("foobar", -790_332_482),
        ("abc", 479_470_107),
        ("a-little-bit-long-string", -985_981_536),
    ];
    let Some(server) = server() else { return };
    let broker = connect_to(&format!("{}&partitions={PARTITIONS}", server.url("layout"))).await;
    for (key, _) in HASHES {
        publish(&broker, key, 1).await;
    }
    let servers = format!("127.0.0.1:{}", server.port());
    let read = tokio::task::spawn_blocking(move || {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", "elsewhere").set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create()?;
        consumer.subscribe(&["layout.events"])?;
        let mut lies = HashMap::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        while lies.len() < HASHES.len() && Instant::now() < deadline {
            if let Some(message) = consumer.poll(Duration::from_millis(100)).transpose()? {
                lies.insert(
                    String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
                    message.partition(),
                );
            }
        }
        let topics = consumer.fetch_metadata(Some("layout.events"), Duration::from_secs(10))?;
        KafkaResult::Ok((lies, topics.topics()[0].partitions().len()))
    });
    let (lies, partitions) = read.await.expect("it does not panic").expect("it is read");
    assert_eq!(i32::try_from(partitions), Ok(PARTITIONS));
    let expected = HASHES.map(|(key, hash)| (key.to_owned(), (hash & i32::MAX) % PARTITIONS));
    assert_eq!(lies, HashMap::from(expected));
}

/// What ends a transaction takes an offset at which there is no event: nobody waits for one there, and the lag ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_other_programs_write_in_transactions_is_taken() {
    let Some(server) = server() else { return };
    let broker = connect(&server, "transactions").await;
    let mut stream = stream(&broker).await;
    publish(&broker, "key", 1).await;
    let servers = format!("127.0.0.1:{}", server.port());
    let committed = tokio::task::spawn_blocking(move || commit_a_transaction(&servers, "transactions.events"));
    committed.await.expect("it does not panic").expect("it is committed");
    let mut taken = Vec::new();
    while taken.len() < 1 + 16 {
        for delivery in timeout(Duration::from_secs(30), stream.next()).await.expect("events").expect("a stream") {
            taken.push(delivery.event.name.clone());
            delivery.ack().await.expect("it is ours");
        }
    }
    eventually("the lag is zero", Duration::from_secs(60), || async {
        let lag = broker.subscriber.lag("group").await.ok().flatten();
        assert_eq!(broker.subscriber.health(), BrokerHealth::Up);
        lag.is_some_and(|lag| lag.events == 0).then_some(())
    })
    .await;
    publish(&broker, "key", 2).await;
    let batch = timeout(Duration::from_secs(10), stream.next()).await.expect("it goes on").expect("a stream");
    assert_eq!(batch.iter().map(|delivery| delivery.event.sequence).collect::<Vec<_>>(), [2]);
}

/// An event in each partition, in one transaction.
fn commit_a_transaction(servers: &str, topic: &str) -> KafkaResult<()> {
    let wait = Duration::from_secs(20);
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", servers).set("transactional.id", "elsewhere").create()?;
    producer.init_transactions(wait)?;
    producer.begin_transaction()?;
    for partition in 0..16 {
        let text = |key, value| Header { key, value: Some(value) };
        let id = format!("from-elsewhere-{partition}");
        let headers = OwnedHeaders::new()
            .insert(text("ce_specversion", "1.0"))
            .insert(text("ce_id", id.as_str()))
            .insert(text("ce_source", "/elsewhere"))
            .insert(text("ce_type", "thing.done"));
        let record = BaseRecord::to(topic).partition(partition).key("elsewhere").payload("{}").headers(headers);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.commit_transaction(wait)
}

/// Deletes a topic, as an operator would.
fn delete_topic(port: u16, topic: &str) {
    // DeleteTopics, version 1, correlation 7, no client id, one topic, 10 s.
    let mut request = vec![0, 20, 0, 1, 0, 0, 0, 7, 255, 255, 0, 0, 0, 1];
    request.extend(u16::try_from(topic.len()).expect("a short name").to_be_bytes());
    request.extend(topic.as_bytes());
    request.extend(10_000_u32.to_be_bytes());
    let mut connection = TcpStream::connect(("127.0.0.1", port)).expect("the server is there");
    connection.write_all(&u32::try_from(request.len()).expect("short").to_be_bytes()).expect("it takes it");
    connection.write_all(&request).expect("it takes it");
    let mut length = [0; 4];
    connection.read_exact(&mut length).expect("an answer");
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("short")];
    connection.read_exact(&mut answer).expect("an answer");
    assert_eq!(answer[answer.len() - 2..], [0, 0], "the topic is deleted");
}
