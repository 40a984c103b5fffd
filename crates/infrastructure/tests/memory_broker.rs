//! What the broker in memory promises beyond the conformance suite: recording, and a bounded history.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use activelog_application::{
    ports::{Broker, EventPattern, Subscription},
    testing::broker::event,
};
use activelog_infrastructure::broker::memory::{MemoryBroker, MemoryOptions};
use futures::FutureExt;

fn small() -> MemoryBroker {
    MemoryBroker::new(MemoryOptions { history_events: 3, ..MemoryOptions::default() })
}

fn all(group: &str) -> Subscription {
    Subscription::new(group, vec![EventPattern::all()])
}

async fn publish(broker: &Broker, sequence: u64) {
    broker.publisher.publish(&event("thing.done", "a", sequence)).await.expect("a publish");
}

#[tokio::test]
async fn records_what_was_published_until_it_is_cleared() {
    let memory = MemoryBroker::default();
    let broker = memory.broker();
    publish(&broker, 1).await;
    publish(&broker, 2).await;
    assert_eq!(memory.published().iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2]);
    memory.clear();
    publish(&broker, 3).await;
    assert_eq!(memory.published().iter().map(|e| e.sequence).collect::<Vec<_>>(), [3]);
    let mut late = broker.subscriber.subscribe(&all("late")).await.expect("a stream");
    assert_eq!(late.next().await.expect("events").len(), 3, "clearing must not touch deliveries");
}

#[tokio::test]
async fn publishing_waits_for_a_live_group_and_goes_on_when_it_acknowledges() {
    let broker = small().broker();
    let mut stream = broker.subscriber.subscribe(&all("live")).await.expect("a stream");
    for sequence in 1..=3 {
        publish(&broker, sequence).await;
    }
    let mut waiting = Box::pin(publish(&broker, 4));
    assert!(waiting.as_mut().now_or_never().is_none(), "the history is full of what the group needs");
    let first = stream.next().await.expect("events").remove(0);
    first.ack().await.expect("an acknowledgement");
    tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("room was made");
}

#[tokio::test]
async fn a_group_without_a_stream_never_holds_up_publishing() {
    let broker = small().broker();
    let stream = broker.subscriber.subscribe(&all("gone")).await.expect("a stream");
    publish(&broker, 1).await;
    drop(stream);
    for sequence in 2..=10 {
        publish(&broker, sequence).await;
    }
    let mut stream = broker.subscriber.subscribe(&all("gone")).await.expect("a stream");
    let got: Vec<u64> = stream.next().await.expect("events").iter().map(|d| d.event.sequence).collect();
    assert_eq!(got, [8, 9, 10], "what the history still has");
    assert_eq!(broker.subscriber.lag("gone").await.expect("a lag").map(|l| l.events), Some(3));
}

#[tokio::test]
async fn a_publisher_that_waits_for_room_ends_when_it_is_closed() {
    let broker = small().broker();
    let _stream = broker.subscriber.subscribe(&all("live")).await.expect("a stream");
    for sequence in 1..=3 {
        publish(&broker, sequence).await;
    }
    let publisher = broker.publisher.clone();
    let waiting = tokio::spawn(async move { publisher.publish(&event("thing.done", "a", 4)).await });
    broker.publisher.close().await.expect("a close");
    assert!(waiting.await.expect("a task").is_err());
}

#[tokio::test(start_paused = true)]
async fn lag_tells_how_old_the_oldest_event_is() {
    let broker = MemoryBroker::default().broker();
    let mut stream = broker.subscriber.subscribe(&all("group")).await.expect("a stream");
    publish(&broker, 1).await;
    tokio::time::advance(Duration::from_secs(7)).await;
    publish(&broker, 2).await;
    let lag = broker.subscriber.lag("group").await.expect("a lag").expect("the broker can tell");
    assert_eq!((lag.events, lag.age), (2, Some(Duration::from_secs(7))));
    for delivery in stream.next().await.expect("events") {
        delivery.ack().await.expect("an acknowledgement");
    }
    let lag = broker.subscriber.lag("group").await.expect("a lag").expect("the broker can tell");
    assert_eq!((lag.events, lag.age), (0, None));
}

#[tokio::test]
async fn members_of_a_live_group_share_their_patterns() {
    let broker = MemoryBroker::default().broker();
    let _first = broker.subscriber.subscribe(&all("group")).await.expect("a stream");
    let other = Subscription::new("group", vec![EventPattern::exact("thing.done")]);
    assert!(broker.subscriber.subscribe(&other).await.is_err());
}
