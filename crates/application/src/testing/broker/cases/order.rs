use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::testing::broker::{
    BrokerFixture, Outcome,
    crowd::Crowd,
    event,
    events::events,
    scene::{Scene, ack, all, ensure, nack},
};

/// Events of a key arrive in the order they were published.
pub(crate) async fn publish_subscribe_in_order(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let sent = events("thing.done", 16, 1_000);
    let (batched, single) = sent.split_at(800);
    scene.publish(batched).await?;
    for event in single {
        scene.publish(std::slice::from_ref(event)).await?;
    }
    let mut last: HashMap<String, u64> = HashMap::new();
    for event in reader.consume(sent.len()).await? {
        let before = last.insert(event.partition_key.clone(), event.sequence).unwrap_or(0);
        ensure(event.sequence == before + 1, || {
            format!("{}: event {} came after event {before}", event.partition_key, event.sequence)
        })?;
    }
    reader.close().await
}

/// Several streams share a group without breaking the order of any key.
pub(crate) async fn order_per_key_across_streams(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    share(fixture, 16, 0).await
}

/// The same while every tenth delivery is given back, one event at a time.
pub(crate) async fn order_per_key_with_nacks(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    share(Arc::clone(&fixture), 8, 10).await
}

async fn share(fixture: Arc<dyn BrokerFixture>, prefetch: usize, nack_one_in: u32) -> Outcome {
    let scene = Scene::open(fixture).await;
    let sent = events("thing.done", 20, 1_000);
    let crowd = Crowd::new(&sent, true, nack_one_in);
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(scene.reader(&all("group").prefetch(prefetch)).await?);
    }
    let patience = scene.fixture.patience();
    let (consumed, published) = tokio::join!(crowd.consume(readers, patience), scene.publish(&sent));
    published.and(consumed)
}

/// Streams join and leave while events flow: nothing is lost, and the order of every key holds.
pub(crate) async fn order_per_key_when_members_come_and_go(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let sent = events("thing.done", 20, 1_200);
    let crowd = Crowd::new(&sent, true, 0);
    let subscription = all("group").prefetch(8);
    let mut members = JoinSet::new();
    let stay = CancellationToken::new();
    members.spawn(Arc::clone(&crowd).member(0, scene.reader(&subscription).await?, stay.clone()));
    for (round, part) in sent.chunks(300).enumerate() {
        let leave = stay.child_token();
        members.spawn(Arc::clone(&crowd).member(round + 1, scene.reader(&subscription).await?, leave.clone()));
        scene.publish(part).await?;
        let behind = sent.len() - (round + 1) * 300 + 150;
        scene.until("half of a part is consumed", async || Ok(crowd.missing() <= behind)).await?;
        leave.cancel();
    }
    crowd.finish(members, scene.fixture.patience()).await
}

/// An event given back with a delay keeps later ones of its key waiting behind it.
pub(crate) async fn redelivered_comes_before_later_events_of_its_key(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group").prefetch(1)).await?;
    scene.publish(&(1..=5).map(|n| event("thing.done", "a", n)).collect::<Vec<_>>()).await?;
    for expected in 1..=5 {
        for delay in [Duration::ZERO, Duration::from_millis(50)] {
            let delivery = reader.next().await?;
            let got = delivery.event.sequence;
            ensure(got == expected, || format!("event {got} came instead of event {expected}"))?;
            nack(delivery, delay).await?;
        }
        let delivery = reader.next().await?;
        let got = delivery.event.sequence;
        ensure(got == expected, || format!("event {got} came instead of event {expected}, which was given back"))?;
        ack(delivery).await?;
    }
    Ok(())
}

/// Events that wait for a long delay hold up their own key only, however many wait behind them.
pub(crate) async fn delayed_key_does_not_hold_up_others(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group").prefetch(32)).await?;
    scene.publish(&[event("thing.done", "stuck", 1)]).await?;
    nack(reader.next().await?, Duration::from_secs(3_600)).await?;
    let behind: Vec<_> = (2..=2_000).map(|sequence| event("thing.done", "stuck", sequence)).collect();
    for some in behind.chunks(500) {
        scene.publish(some).await?;
    }
    scene.publish(&events("thing.done", 10, 200)).await?;
    reader.consume(200).await.map(|_| ()).map_err(|why| format!("other keys do not flow: {why}"))
}
