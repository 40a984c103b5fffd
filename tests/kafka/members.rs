//! Members of groups: they leave while the group is being shared, come back under their name, and share a name by mistake.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use activelog_application::ports::{Broker, DeliveryStream, EventPattern, Subscription};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::KafkaResult,
};
use tokio::time::{Instant, timeout};

use super::{KEYS, Ledger, connect, consume, publish, server, stream, support::eventually};

/// The stream of a process called `instance`.
async fn named_stream(broker: &Broker, instance: &str) -> Box<dyn DeliveryStream> {
    let subscription = Subscription::new("group", vec![EventPattern::all()]).instance(Some(instance.to_owned()));
    broker.subscriber.subscribe(&subscription).await.expect("a stream")
}

/// A member of a group as another program would have it, called `raw` and known by that.
fn raw_member(port: u16, group: &str) -> KafkaResult<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", format!("127.0.0.1:{port}")).set("group.id", group).set("group.instance.id", "raw");
    config.set("partition.assignment.strategy", "cooperative-sticky").set("enable.auto.commit", "false");
    config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "500");
    config.create()
}

/// Polls it until what is awaited is so.
fn poll_until(member: &BaseConsumer, what: &str, mut is_so: impl FnMut(&BaseConsumer) -> bool) {
    let begun = Instant::now();
    while !is_so(member) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        let _ = member.poll(Duration::from_millis(20));
    }
}

fn owned(member: &BaseConsumer) -> usize {
    member.assignment().map_or(0, |assigned| assigned.count())
}

/// How many members a group has that is not being shared anew.
fn settled(member: &BaseConsumer, group: &str) -> usize {
    let listed = member.fetch_group_list(Some(group), Duration::from_secs(5)).expect("the brokers tell");
    let stable = listed.groups().iter().filter(|group| group.state() == "Stable");
    stable.map(|group| group.members().len()).sum()
}

/// Publishes an event of each of so many keys.
async fn publish_keys(broker: &Broker, sequence: u64) {
    for key in 0..64 {
        publish(broker, &format!("key-{key}"), sequence).await;
    }
}

/// One that gives partitions up and is killed before it says so, and comes back under its name, has the rest at once. Brokers do not share anew then: what it was giving up would
/// stay nobody's.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_were_left_to_nobody_are_found() {
    const GROUP: &str = "nobodys.group";
    let Some(server) = server() else { return };
    let (port, broker) = (server.port(), connect(&server, "nobodys").await);
    let first = tokio::task::spawn_blocking(move || {
        let member = raw_member(port, GROUP).expect("a member");
        member.subscribe(&["nobodys.events"]).expect("a topic");
        poll_until(&member, "it has all", |member| owned(member) == 16);
        member
    });
    let first = first.await.expect("it has all partitions");
    let mut stream = stream(&broker).await;
    let done = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&done);
    let second = tokio::task::spawn_blocking(move || {
        // Not polled, so that what it is asked for is not given up.
        let begun = Instant::now();
        while settled(&first, GROUP) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(30), "the group is not shared");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        drop(first);
        let member = raw_member(port, GROUP).expect("a member");
        member.subscribe(&["nobodys.events"]).expect("a topic");
        poll_until(&member, "it has what it had kept", |member| owned(member) > 0);
        assert!(owned(&member) < 16, "it was giving some up");
        while !stop.load(Ordering::Relaxed) {
            let _ = member.poll(Duration::from_millis(20));
        }
    });
    publish_keys(&broker, 1).await;
    let batch = timeout(Duration::from_secs(60), stream.next()).await;
    done.store(true, Ordering::Relaxed);
    second.await.expect("it had what it had kept");
    assert!(!batch.expect("some of the partitions become its").expect("a stream").is_empty());
}

/// Within less than a session: those that stay need not wait until the brokers give up the one that went.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_midst_of_sharing_frees_everything_at_once() {
    const GROUP: &str = "midst.group";
    let Some(server) = server() else { return };
    let (port, one, other) = (server.port(), connect(&server, "midst").await, connect(&server, "midst").await);
    let mut leaving = stream(&one).await;
    publish_keys(&one, 1).await;
    let mut held = Vec::new();
    while held.len() < 64 {
        held.extend(timeout(Duration::from_secs(20), leaving.next()).await.expect("events").expect("a stream"));
    }
    let mut staying = stream(&other).await;
    let view = tokio::task::spawn_blocking(move || {
        let view = raw_member(port, GROUP).expect("a client");
        let begun = Instant::now();
        while settled(&view, GROUP) < 2 {
            assert!(begun.elapsed() < Duration::from_secs(30), "the group is not shared");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    });
    view.await.expect("both are members");
    // What it gives up is unsettled: it waits for that for ten seconds.
    let closing = tokio::spawn(leaving.close());
    let (mut came, closed) = (HashSet::new(), Instant::now());
    while came.len() < 64 {
        let left = Duration::from_millis(5_500).saturating_sub(closed.elapsed());
        let batch = timeout(left, staying.next()).await;
        let batch = batch.unwrap_or_else(|_| panic!("{} of 64 events before a session has run out", came.len()));
        for delivery in batch.expect("a stream") {
            came.insert(delivery.event.partition_key.clone());
            delivery.ack().await.expect("it is ours");
        }
    }
    closing.await.expect("it does not panic").expect("nothing was acknowledged");
}

/// Each takes the other's place again and again: a mistake that costs time, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_of_one_name_lose_nothing_and_keep_order() {
    let Some(server) = server() else { return };
    let (ledger, stop) = (Arc::new(Mutex::new(Ledger::default())), Arc::new(AtomicBool::new(false)));
    let twins = [connect(&server, "twins").await, connect(&server, "twins").await];
    let mut consumers = Vec::new();
    for twin in &twins {
        let stream = named_stream(twin, "twin").await;
        consumers.push(tokio::spawn(consume(stream, Arc::clone(&ledger), Arc::clone(&stop))));
    }
    let mut expected = HashSet::new();
    for sequence in 1..=20 {
        for key in 0..KEYS {
            let key = format!("key-{key}");
            publish(&twins[0], &key, sequence).await;
            expected.insert((key, sequence));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    eventually("everything arrives", Duration::from_secs(60), || async {
        let failed = consumers.iter().any(|consumer| consumer.is_finished());
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        (failed || expected.is_subset(&ledger.taken)).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for consumer in consumers {
        // One of them is out of its place, and cannot write where it stands.
        let _lost = consumer.await.expect("the order of every key holds");
    }
}
