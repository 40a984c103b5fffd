use activelog_application::testing::broker::event;
use activelog_domain::event::EventEnvelope;
use bytes::Bytes;
use futures::future::join_all;

use crate::{
    stage::{connect, subscribe},
    support::{Kind, broker},
};

/// Events of which only some fit into what the driver may hold, and one that does not fit by itself, are all stored: one by one, in a batch, and both beside each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_events_go_side_by_side() {
    let Some(server) = broker(Kind::RabbitMq) else { return };
    let broker = connect(&server.url("large")).await;
    subscribe(&broker).await.close().await.unwrap();
    let sent: Vec<EventEnvelope> = (0..24)
        .map(|n| EventEnvelope {
            data: Bytes::from(vec![b' '; if n == 12 { 2 << 20 } else { 200_000 }]),
            ..event("thing.done", &format!("thing-{n}"), 1)
        })
        .collect();
    let (single, batch) = tokio::join!(
        join_all(sent.iter().map(|event| broker.publisher.publish(event))),
        broker.publisher.publish_batch(&sent)
    );
    for outcome in single.into_iter().chain(batch) {
        outcome.expect("it is stored");
    }
}
