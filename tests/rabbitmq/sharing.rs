use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    stage::{Tally, connect, events, publish_all, subscribe},
    support::{Kind, eventually, fresh_namespace},
};

/// Members on connections of their own come, go and are cut off while events flow: every event comes, in the order of its key, and no key is at two of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_change_hands_between_connections() {
    let Some(url) = fresh_namespace(Kind::RabbitMq) else { return };
    let (publisher, steady) = (connect(&url).await, connect(&url).await);
    let sent = events(40, 6_000);
    let tally = Tally::new(&sent, true);
    let mut members = JoinSet::new();
    let stay = CancellationToken::new();
    members.spawn(Arc::clone(&tally).consume(0, subscribe(&steady).await, stay.clone()));
    for (round, part) in sent.chunks(1_000).enumerate() {
        let (first, second) = (connect(&url).await, connect(&url).await);
        let leave = stay.child_token();
        for (n, broker) in [&first, &second].into_iter().enumerate() {
            let stream = subscribe(broker).await;
            members.spawn(Arc::clone(&tally).consume(2 * round + n + 1, stream, leave.clone()));
        }
        publish_all(&publisher, part).await;
        let behind = sent.len() - (round + 1) * 1_000 + 300;
        eventually("most of a part is consumed", Duration::from_secs(60), || async {
            (tally.missing() <= behind).then_some(())
        })
        .await;
        leave.cancel();
    }
    eventually("all is consumed", Duration::from_secs(60), || async { (tally.missing() == 0).then_some(()) }).await;
    stay.cancel();
    while let Some(ended) = members.join_next().await {
        ended.unwrap();
    }
    tally.verdict();
}

/// Two members of the same group both get events: neither has every queue.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_share_the_queues() {
    let Some(url) = fresh_namespace(Kind::RabbitMq) else { return };
    let brokers = [connect(&url).await, connect(&url).await];
    let mut streams = Vec::new();
    for broker in &brokers {
        streams.push(subscribe(broker).await);
    }
    publish_all(&brokers[0], &events(64, 640)).await;
    for mut stream in streams {
        let first = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.expect("each has a share");
        assert!(first.is_some_and(|batch| !batch.is_empty()));
    }
}

/// Members whose runtime ends in the middle of everything, as that of a process that gives up: what they had comes again, before what is behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_cut_off_reorders_nothing() {
    let Some(url) = fresh_namespace(Kind::RabbitMq) else { return };
    let (publisher, steady) = (connect(&url).await, connect(&url).await);
    let sent = events(40, 5_000);
    let tally = Tally::new(&sent, false);
    let leave = CancellationToken::new();
    let consuming = tokio::spawn(Arc::clone(&tally).consume(0, subscribe(&steady).await, leave.clone()));
    for (round, part) in sent.chunks(1_000).enumerate() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (url, member) = (url.clone(), Arc::clone(&tally));
        let joined = runtime.spawn(async move {
            let broker = connect(&url).await;
            let stream = subscribe(&broker).await;
            tokio::spawn(async move {
                member.consume(round + 1, stream, CancellationToken::new()).await;
                drop(broker);
            });
        });
        joined.await.unwrap();
        publish_all(&publisher, part).await;
        let behind = sent.len() - (round + 1) * 1_000 + 500;
        let half = || async { (tally.missing() <= behind).then_some(()) };
        eventually("half of a part is consumed", Duration::from_secs(60), half).await;
        runtime.shutdown_background();
    }
    eventually("all is consumed", Duration::from_secs(60), || async { (tally.missing() == 0).then_some(()) }).await;
    leave.cancel();
    consuming.await.unwrap();
    tally.verdict();
}
