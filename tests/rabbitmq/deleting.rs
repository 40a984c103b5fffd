use std::{sync::Arc, time::Duration};

use activelog_application::ports::{BrokerHealth, PARTITIONS, PublishErrorKind};
use activelog_application::testing::broker::event;
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
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
