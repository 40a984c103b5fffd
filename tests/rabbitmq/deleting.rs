use std::{sync::Arc, time::Duration};

use activelog_application::ports::{BrokerHealth, PARTITIONS, PublishErrorKind, partition_of};
use activelog_application::testing::broker::event;
use futures::future::join_all;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio_util::sync::CancellationToken;

use crate::{
    stage::{Tally, connect, events, publish_all, subscribe},
    support::{Kind, broker, eventually},
};

async fn channel(url: &str) -> (Connection, Channel) {
    let url = url.split('?').next().unwrap();
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// What no group has a queue for is refused, as something to be tried again; and is taken once a group is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_a_queue_is_refused() {
    let Some(server) = broker(Kind::RabbitMq) else { return };
    let broker = connect(&server.url("unroutable")).await;
    let sent = events(100, 400);
    for outcome in broker.publisher.publish_batch(&sent).await {
        let kind = outcome.expect_err("there is no group").kind;
        assert!(matches!(kind, PublishErrorKind::Unavailable | PublishErrorKind::Skipped), "{kind:?}");
    }
    let tally = Tally::new(&sent, true);
    let leave = CancellationToken::new();
    let consuming = tokio::spawn(Arc::clone(&tally).consume(0, subscribe(&broker).await, leave.clone()));
    publish_all(&broker, &sent).await;
    eventually("all is consumed", Duration::from_secs(30), || async { (tally.missing() == 0).then_some(()) }).await;
    leave.cancel();
    consuming.await.unwrap();
    tally.verdict();
}

/// Of events that many publish at once on one connection, the server returns some: those and no others are refused, one by one as in a batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_returned_among_many_is_told_apart() {
    const GONE: [u16; 4] = [0, 5, 6, 15];
    let Some(server) = broker(Kind::RabbitMq) else { return };
    let url = server.url("apart");
    let broker = connect(&url).await;
    subscribe(&broker).await.close().await.unwrap();
    let (_connection, channel) = channel(&url).await;
    for partition in GONE {
        channel.queue_delete(format!("apart:group:{partition}").into(), QueueDeleteOptions::default()).await.unwrap();
    }
    let sent: Vec<_> = (0..1_500).map(|n| event("thing.done", &format!("thing-{n}"), 1)).collect();
    let side_by_side = || join_all(sent.iter().map(|event| broker.publisher.publish(event)));
    let rounds = [side_by_side().await, broker.publisher.publish_batch(&sent).await, side_by_side().await];
    let mut stored = 0;
    for outcomes in rounds {
        for (event, outcome) in sent.iter().zip(outcomes) {
            let gone = GONE.contains(&partition_of(&event.partition_key).0);
            let kind = outcome.err().map(|error| error.kind);
            assert_eq!(kind, gone.then_some(PublishErrorKind::Unavailable), "{}", event.partition_key);
            stored += u32::from(!gone);
        }
    }
    let mut waiting = 0;
    for partition in (0..PARTITIONS).filter(|partition| !GONE.contains(partition)) {
        let (queue, passive) = (
            format!("apart:group:{partition}"),
            QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() },
        );
        waiting += channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap().message_count();
    }
    assert_eq!(waiting, stored);
}

/// Queues and exchanges that are deleted live are made again, and events flow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_queues_and_exchanges_heal() {
    let Some(server) = broker(Kind::RabbitMq) else { return };
    let url = server.url("deleted");
    let broker = connect(&url).await;
    let mut stream = subscribe(&broker).await;
    let (_connection, channel) = channel(&url).await;
    for round in 0..3 {
        match round {
            0 => {}
            1 => {
                for partition in 0..PARTITIONS {
                    let name = format!("deleted:group:{partition}").into();
                    channel.queue_delete(name, QueueDeleteOptions::default()).await.unwrap();
                }
            }
            _ => {
                for name in ["deleted:events", "deleted:members"] {
                    channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await.unwrap();
                }
            }
        }
        for partition in 0..16 {
            let event = event("thing.done", &format!("key-{partition}"), round + 1);
            publish_all(&broker, std::slice::from_ref(&event)).await;
            loop {
                let batch = tokio::time::timeout(Duration::from_secs(15), stream.next()).await;
                let batch =
                    batch.unwrap_or_else(|_| panic!("round {round}: no event; {:?}", broker.subscriber.health()));
                let mut found = false;
                for delivery in batch.expect("the stream goes on") {
                    found |= delivery.event.id == event.id;
                    delivery.ack().await.unwrap();
                }
                if found {
                    break;
                }
            }
        }
    }
    let is_up = || async { (broker.subscriber.health() == BrokerHealth::Up).then_some(()) };
    eventually("health is up again", Duration::from_secs(15), is_up).await;
}
