//! What the broker on the journal promises beyond the conformance suite: members that die, storage that fails, leases
//! that are lost. Time is paused: it moves when everything waits.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::{collections::HashSet, sync::Arc, time::Duration};

use activelog_application::{
    ports::{Broker, BrokerHealth, Delivery, DeliveryStream, EventPattern, Subscription},
    testing::{broker::event, memory_storage::MemoryStorage},
};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    broker::database::{DatabaseBroker, DatabaseOptions},
    id_generator::UuidV7Generator,
};
use tokio::time::{Instant, timeout};

/// A process of its own: nothing but the storage is shared with others.
fn process(storage: &MemoryStorage) -> Broker {
    let storage = Arc::new(storage.clone());
    let (journal, positions, leases, signal) = (storage.clone(), storage.clone(), storage.clone(), storage.signal());
    let ids = Arc::new(UuidV7Generator);
    DatabaseBroker::new(journal, positions, leases, signal, ids, DatabaseOptions::default()).broker()
}

fn subscription() -> Subscription {
    Subscription::new("group", vec![EventPattern::all()])
}

fn things(range: std::ops::Range<u64>) -> Vec<EventEnvelope> {
    range.map(|n| event("thing.done", &format!("thing-{}", n % 50), n / 50 + 1)).collect()
}

async fn join(broker: &Broker) -> Box<dyn DeliveryStream> {
    broker.subscriber.subscribe(&subscription()).await.expect("a stream")
}

async fn take(stream: &mut Box<dyn DeliveryStream>, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = timeout(Duration::from_secs(60), stream.next()).await.expect("events in time");
        taken.extend(batch.expect("an open stream"));
    }
    taken
}

async fn consume(stream: &mut Box<dyn DeliveryStream>, count: usize) -> HashSet<uuid::Uuid> {
    let mut ids = HashSet::new();
    while ids.len() < count {
        for delivery in take(stream, 1).await {
            assert!(ids.insert(delivery.event.id), "an acknowledged event came again");
            delivery.ack().await.expect("an acknowledgement");
        }
    }
    ids
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_silent_is_followed_within_five_seconds() {
    let storage = MemoryStorage::new();
    let dead = process(&storage);
    let alive = process(&storage);
    let mut silent = join(&dead).await;
    dead.publisher.publish_batch(&things(0..100)).await;
    let unsettled = take(&mut silent, 100).await;
    let member = storage.members("group:group").remove(0);
    let mut heir = join(&alive).await;
    until("both are members", async || storage.members("group:group").len() == 2).await;
    // It dies holding everything: it renews no more, settles nothing and releases nothing.
    let died = Instant::now();
    storage.silence(&member);
    assert_eq!(consume(&mut heir, 100).await.len(), 100);
    assert!(died.elapsed() <= Duration::from_secs(5), "{:?}", died.elapsed());
    // The dead one wakes up and settles: fenced, so that it neither counts nor moves the group back.
    for delivery in unsettled {
        let _fenced = delivery.nack(Duration::ZERO).await;
    }
    let lag = async || alive.subscriber.lag("group").await.expect("a lag").map(|lag| lag.events);
    until("the heir's acknowledgements are written", async || lag().await == Some(0)).await;
    assert!(timeout(Duration::from_secs(30), silent.next()).await.is_err(), "delivered without a lease");
}

#[tokio::test(start_paused = true)]
async fn processes_share_the_partitions_and_hand_them_over_settled() {
    let storage = MemoryStorage::new();
    let (first, second) = (process(&storage), process(&storage));
    let mut one = join(&first).await;
    first.publisher.publish_batch(&things(0..200)).await;
    let mut seen = consume(&mut one, 200).await;
    let mut two = join(&second).await;
    until("the second has its share", async || storage.owned("group:group").values().filter(|n| **n == 8).count() == 2)
        .await;
    first.publisher.publish_batch(&things(200..400)).await;
    let mut counts = [0; 2];
    while seen.len() < 400 {
        let (index, batch) = tokio::select! {
            batch = one.next() => (0, batch),
            batch = two.next() => (1, batch),
        };
        for delivery in batch.expect("an open stream") {
            assert!(seen.insert(delivery.event.id), "handed over, an event came twice");
            counts[index] += 1;
            delivery.ack().await.expect("an acknowledgement");
        }
    }
    assert!(counts[0] > 0 && counts[1] > 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_degrades_health_and_heals_by_itself() {
    let storage = MemoryStorage::new();
    let broker = process(&storage);
    let mut stream = join(&broker).await;
    broker.publisher.publish_batch(&things(0..50)).await;
    let held = take(&mut stream, 50).await;
    storage.set_outage(true);
    for delivery in held {
        delivery.ack().await.expect("acknowledged in memory");
    }
    let degraded = || matches!(broker.subscriber.health(), BrokerHealth::Degraded(_));
    until("health tells of the outage", async || degraded()).await;
    assert!(broker.publisher.publish(&things(50..51)[0]).await.is_err());
    assert!(matches!(broker.publisher.health(), BrokerHealth::Degraded(_)));
    tokio::time::sleep(Duration::from_secs(60)).await;
    storage.set_outage(false);
    broker.publisher.publish_batch(&things(50..100)).await;
    let ids = consume(&mut stream, 50).await;
    assert_eq!(ids.len(), 50);
    until("health is up again", async || broker.subscriber.health() == BrokerHealth::Up).await;
    let lag = async || broker.subscriber.lag("group").await.expect("a lag").map(|lag| lag.events);
    until("every acknowledgement is written", async || lag().await == Some(0)).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_under_leases_that_may_have_run_out() {
    let storage = MemoryStorage::new();
    let broker = process(&storage);
    let mut stream = broker.subscriber.subscribe(&subscription().prefetch(10)).await.expect("a stream");
    broker.publisher.publish_batch(&things(0..50)).await;
    let held = take(&mut stream, 10).await;
    storage.set_outage(true);
    tokio::time::sleep(DatabaseOptions::default().lease_ttl).await;
    for delivery in held {
        delivery.ack().await.expect("acknowledged in memory");
    }
    let more = timeout(Duration::from_secs(30), stream.next()).await;
    assert!(more.is_err(), "delivered without a lease");
    storage.set_outage(false);
    // Nobody else took the partitions: it goes on, and nothing comes twice.
    assert_eq!(consume(&mut stream, 40).await.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_writes_no_positions() {
    let storage = MemoryStorage::new();
    let broker = process(&storage);
    let mut stream = join(&broker).await;
    broker.publisher.publish_batch(&things(0..500)).await;
    consume(&mut stream, 500).await;
    let lag = async || broker.subscriber.lag("group").await.expect("a lag").map(|lag| lag.events);
    until("every acknowledgement is written", async || lag().await == Some(0)).await;
    let writes = storage.calls("positions advance");
    assert!(writes < 100, "{writes} writes for 500 acknowledgements");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(storage.calls("positions advance"), writes);
}

#[tokio::test(start_paused = true)]
async fn reads_ahead_no_more_than_it_may_hold() {
    let storage = MemoryStorage::new();
    let broker = process(&storage);
    let mut stream = broker.subscriber.subscribe(&subscription().prefetch(10)).await.expect("a stream");
    broker.publisher.publish_batch(&things(0..5_000)).await;
    let held = take(&mut stream, 10).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(storage.entries_read() <= 10 + 64, "{} entries read for a prefetch of 10", storage.entries_read());
    drop(held);
    assert_eq!(consume(&mut stream, 5_000).await.len(), 5_000);
}

/// The oldest event that waits says how old the lag is; without one there is no age.
#[tokio::test(start_paused = true)]
async fn lag_is_as_old_as_the_oldest_event_that_waits() {
    let storage = MemoryStorage::new();
    let broker = process(&storage);
    let mut stream = join(&broker).await;
    broker.publisher.publish_batch(&things(0..20)).await;
    let waiting = broker.subscriber.lag("group").await.expect("a lag").expect("it can tell");
    assert_eq!((waiting.events, waiting.age.is_some()), (20, true));
    assert_eq!(consume(&mut stream, 20).await.len(), 20);
    until("everything is acknowledged", async || {
        broker
            .subscriber
            .lag("group")
            .await
            .is_ok_and(|lag| lag.is_some_and(|lag| lag.events == 0 && lag.age.is_none()))
    })
    .await;
}
