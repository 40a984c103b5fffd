use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use activelog_application::ports::{BrokerHealth, PublishErrorKind};
use nix::sys::signal::Signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    stage::{Tally, connect, events, publish_all, subscribe},
    support::{Kind, PrivateBroker, eventually},
};

/// The server is killed under load, again and again: what was taken comes, in the order of its key; both ends come back by themselves and say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_nothing() {
    let Some(server) = PrivateBroker::start(Kind::RabbitMq) else { return };
    let url = server.url("killed");
    let (publisher, consumers) = (connect(&url).await, [connect(&url).await, connect(&url).await]);
    let sent = events(40, 8_000);
    let tally = Tally::new(&sent, false);
    let (mut members, leave) = (JoinSet::new(), CancellationToken::new());
    for (n, consumer) in consumers.iter().enumerate() {
        members.spawn(Arc::clone(&tally).consume(n, subscribe(consumer).await, leave.clone()));
    }
    let publishing = async {
        for part in sent.chunks(200) {
            publish_all(&publisher, part).await;
        }
    };
    let killing = async {
        for round in 1..=3 {
            let behind = sent.len() - round * 1_500;
            let flows = || async { (tally.missing() <= behind).then_some(()) };
            eventually("events flow", Duration::from_secs(60), flows).await;
            tokio::task::block_in_place(|| server.kill());
            let is_degraded =
                || async { matches!(consumers[0].subscriber.health(), BrokerHealth::Degraded(_)).then_some(()) };
            eventually("the loss is told", Duration::from_secs(5), is_degraded).await;
            tokio::task::block_in_place(|| server.restart());
            let (back, missing) = (Instant::now(), tally.missing());
            let flows = || async { (tally.missing() < missing).then_some(()) };
            eventually("events flow again", Duration::from_secs(15), flows).await;
            println!("first event {:?} after the server was back", back.elapsed());
        }
    };
    tokio::join!(publishing, killing);
    eventually("all is consumed", Duration::from_secs(60), || async { (tally.missing() == 0).then_some(()) }).await;
    for broker in consumers.iter().chain([&publisher]) {
        let is_up = || async {
            let healths = [broker.publisher.health(), broker.subscriber.health()];
            healths.iter().all(|health| *health == BrokerHealth::Up).then_some(())
        };
        let what = format!("health is up again, from {:?}", broker.subscriber.health());
        eventually(&what, Duration::from_secs(15), is_up).await;
    }
    leave.cancel();
    while let Some(ended) = members.join_next().await {
        ended.unwrap();
    }
    tally.verdict();
}

/// A server that stops answering, its connections open, is noticed in time; publishing ends in time; and everything goes on once it answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answering_is_noticed() {
    let Some(server) = PrivateBroker::start(Kind::RabbitMq) else { return };
    let broker = connect(&server.url("stopped")).await;
    let sent = events(20, 400);
    let (before, after) = sent.split_at(200);
    let tally = Tally::new(&sent, false);
    let leave = CancellationToken::new();
    let consuming = tokio::spawn(Arc::clone(&tally).consume(0, subscribe(&broker).await, leave.clone()));
    publish_all(&broker, before).await;
    tokio::task::block_in_place(|| server.pause());
    let (stopped, publishing) = (Instant::now(), broker.publisher.publish(&after[0]));
    let outcome = tokio::time::timeout(Duration::from_secs(25), publishing).await.expect("publishing ends");
    let kind = outcome.expect_err("nobody has taken it").kind;
    assert!(matches!(kind, PublishErrorKind::Unknown | PublishErrorKind::Unavailable), "{kind:?}");
    let is_degraded = || async { matches!(broker.subscriber.health(), BrokerHealth::Degraded(_)).then_some(()) };
    let left = Duration::from_secs(15).saturating_sub(stopped.elapsed());
    eventually("it is noticed within 15 s", left, is_degraded).await;
    println!("noticed within {:?}", stopped.elapsed());
    server.signal(Signal::SIGCONT);
    publish_all(&broker, after).await;
    eventually("all is consumed", Duration::from_secs(60), || async { (tally.missing() == 0).then_some(()) }).await;
    leave.cancel();
    consuming.await.unwrap();
    tally.verdict();
}

/// A server that is killed as soon as it has confirmed the first events of a group still has them, in every queue: it would forget which log is whose, were they bound as soon as they are
/// made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_right_after_a_group_began_still_has_its_events() {
    let Some(server) = PrivateBroker::start(Kind::RabbitMq) else { return };
    let broker = connect(&server.url("begun")).await;
    let sent = events(200, 200);
    let tally = Tally::new(&sent, false);
    let stream = subscribe(&broker).await;
    for outcome in broker.publisher.publish_batch(&sent).await {
        outcome.expect("every queue is bound once somebody has subscribed");
    }
    tokio::task::block_in_place(|| {
        server.kill();
        server.restart();
    });
    let leave = CancellationToken::new();
    let consuming = tokio::spawn(Arc::clone(&tally).consume(0, stream, leave.clone()));
    eventually("all is consumed", Duration::from_secs(30), || async { (tally.missing() == 0).then_some(()) }).await;
    leave.cancel();
    consuming.await.unwrap();
    tally.verdict();
}
