use std::{collections::HashSet, sync::Arc};

use crate::{
    ports::{StartFrom, SubscribeError},
    testing::broker::{
        BrokerFixture, Outcome,
        crowd::Crowd,
        events::events,
        scene::{Scene, all, ensure, failed, only},
    },
};

/// 5,000 events are shared by 50 streams of one group.
pub(crate) async fn concurrent_subscribe(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let sent = events("thing.done", 250, 5_000);
    let mut readers = Vec::new();
    for _ in 0..50 {
        readers.push(scene.reader(&all("group").prefetch(50)).await?);
    }
    let crowd = Crowd::new(&sent, false, 0);
    let patience = scene.fixture.patience() * 2;
    let (consumed, published) = tokio::join!(crowd.consume(readers, patience), scene.publish(&sent));
    published.and(consumed)
}

/// 20 groups, each with an event name of its own, at once.
pub(crate) async fn concurrent_subscribe_multiple_topics(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut tasks = tokio::task::JoinSet::new();
    for topic in 0..20 {
        let name = format!("thing.done-{topic}");
        let mut reader = scene.reader(&only(&format!("group-{topic}"), &name)?).await?;
        let publisher = Arc::clone(&scene.broker.publisher);
        tasks.spawn(async move {
            let sent = events(&name, 5, 100);
            for outcome in publisher.publish_batch(&sent).await {
                outcome.map_err(|e| failed("publish")(&e))?;
            }
            let got = reader.consume(sent.len()).await.map_err(|why| format!("{name}: {why}"))?;
            let got: HashSet<_> = got.into_iter().map(|event| event.id).collect();
            ensure(sent.iter().all(|event| got.contains(&event.id)), || format!("{name}: other events came"))?;
            reader.close().await
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|e| e.to_string())??;
    }
    Ok(())
}

/// Each group gets every event.
pub(crate) async fn every_group_gets_everything(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut readers = Vec::new();
    for group in ["statistics", "achievements", "leader.board_1"] {
        readers.push((group, scene.reader(&all(group)).await?));
    }
    let sent = events("thing.done", 10, 100);
    scene.publish(&sent).await?;
    for (group, mut reader) in readers {
        let got: HashSet<_> = reader
            .consume(sent.len())
            .await
            .map_err(|why| format!("{group}: {why}"))?
            .into_iter()
            .map(|e| e.id)
            .collect();
        ensure(got.len() == sent.len(), || format!("{group} got {} of {} events", got.len(), sent.len()))?;
    }
    Ok(())
}

/// Streams of several connections share a group.
pub(crate) async fn group_is_shared_across_connections(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scenes = [Scene::open(Arc::clone(&fixture)).await, Scene::open(fixture).await];
    let mut readers = Vec::new();
    for scene in &scenes {
        readers.push(scene.reader(&all("group").prefetch(16)).await?);
    }
    let sent = events("thing.done", 20, 500);
    let crowd = Crowd::new(&sent, false, 0);
    let patience = scenes[0].fixture.patience();
    let (consumed, published) = tokio::join!(crowd.consume(readers, patience), scenes[1].publish(&sent));
    published.and(consumed)
}

/// A group that comes late gets what was published before.
pub(crate) async fn late_group_gets_history(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let sent = events("thing.done", 10, 200);
    let (before, after) = sent.split_at(150);
    scene.publish(before).await?;
    let mut early = scene.reader(&all("early")).await?;
    early.consume(before.len()).await?;
    early.close().await?;
    let mut late = scene.reader(&all("late")).await?;
    scene.publish(after).await?;
    let got: HashSet<_> = late.consume(sent.len()).await?.into_iter().map(|event| event.id).collect();
    ensure(got.len() == sent.len(), || format!("{} of {} events came", got.len(), sent.len()))
}

/// A new group may start with what is published after it has joined.
pub(crate) async fn latest_starts_with_what_comes(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    // Without replay, what no group at all will ever get may be refused.
    let _earlier = scene.reader(&all("earlier")).await?;
    scene.publish(&events("thing.old", 10, 50)).await?;
    let subscription = all("group").start(StartFrom::Latest);
    let mut reader = scene.reader(&subscription).await?;
    scene.publish(&events("thing.new", 10, 50)).await?;
    let got = reader.consume(50).await?;
    ensure(got.iter().all(|e| e.name == "thing.new"), || "an event came from before the subscription".to_owned())?;
    reader.close().await?;
    // A known group goes on where it stands, whatever the subscription says.
    scene.publish(&events("thing.newer", 10, 20)).await?;
    let mut reader = scene.reader(&subscription).await?;
    let got = reader.consume(20).await.map_err(|why| format!("a known group has lost its place: {why}"))?;
    ensure(got.iter().all(|e| e.name == "thing.newer"), || "an acknowledged event came again".to_owned())
}

/// A group that was removed has no place any more, and what it had not taken is not kept for it.
pub(crate) async fn removed_group_begins_anew(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    // Without replay, what no group at all will ever get may be refused.
    let _other = scene.reader(&all("other")).await?;
    let mut reader = scene.reader(&all("group")).await?;
    let old = events("thing.old", 10, 50);
    scene.publish(&old).await?;
    reader.consume(20).await?;
    reader.close().await?;
    let subscriber = &scene.broker.subscriber;
    for group in ["group", "group", "nobody"] {
        subscriber.remove_group(group).await.map_err(|e| failed("remove")(&e))?;
    }
    let mut reader = scene.reader(&all("group").start(StartFrom::Latest)).await?;
    let new = events("thing.new", 10, 20);
    scene.publish(&new).await?;
    let got = reader.consume(new.len()).await?;
    ensure(got.iter().all(|e| e.name == "thing.new"), || "an event came that the group was removed with".to_owned())?;
    reader.close().await?;
    subscriber.remove_group("group").await.map_err(|e| failed("remove")(&e))?;
    if !scene.broker.capabilities.replay {
        return Ok(());
    }
    let mut reader = scene.reader(&all("group")).await?;
    let got: HashSet<_> = reader.consume(old.len() + new.len()).await?.into_iter().map(|event| event.id).collect();
    ensure(got.len() == old.len() + new.len(), || format!("{} events came from the oldest on", got.len()))
}

/// A group that has a stream stays, and its stream goes on.
pub(crate) async fn group_in_use_is_not_removed(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let sent = events("thing.done", 10, 50);
    scene.publish(&sent).await?;
    reader.consume(20).await?;
    match scene.reconnect().await.broker.subscriber.remove_group("group").await {
        Err(SubscribeError::InUse(_)) => {}
        outcome => return Err(format!("removing it while it is read: {outcome:?}")),
    }
    reader.consume(30).await?;
    reader.stays_quiet(scene.fixture.quiet()).await
}

/// A group that does not settle gets no more than its prefetch, and another one all the same gets everything.
pub(crate) async fn slow_group_does_not_hold_up_another(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut slow = scene.reader(&all("slow").prefetch(10)).await?;
    let mut fast = scene.reader(&all("fast")).await?;
    let sent = events("thing.done", 20, 2_000);
    let (first, rest) = sent.split_at(100);
    scene.publish(first).await?;
    let held = slow.take(10).await?;
    scene.publish(rest).await?;
    fast.consume(sent.len()).await.map_err(|why| format!("the fast group waits for the slow one: {why}"))?;
    slow.stays_quiet(scene.fixture.quiet()).await?;
    let mut caught_up: HashSet<_> = held.iter().map(|delivery| delivery.event.id).collect();
    for delivery in held {
        crate::testing::broker::scene::ack(delivery).await?;
    }
    caught_up.extend(slow.consume(sent.len() - 10).await?.into_iter().map(|event| event.id));
    ensure(caught_up.len() == sent.len(), || format!("the slow group got {} events", caught_up.len()))
}

/// A fresh connection goes on where the group stood.
pub(crate) async fn reconnect_resumes_where_the_group_stood(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let sent = events("thing.done", 10, 300);
    let mut taken = HashSet::new();
    scene.reader(&all("group")).await?.close().await?;
    scene.publish(&sent).await?;
    for _ in 0..3 {
        let connection = scene.reconnect().await;
        let mut reader = connection.reader(&all("group")).await?;
        for event in reader.consume(100).await? {
            ensure(taken.insert(event.id), || "an acknowledged event came again".to_owned())?;
        }
        reader.close().await?;
        connection.broker.subscriber.close().await.map_err(|e| failed("close")(&e))?;
        connection.broker.publisher.close().await.map_err(|e| failed("close")(&e))?;
    }
    ensure(taken.len() == sent.len(), || format!("{} of {} events came", taken.len(), sent.len()))
}

/// Acknowledgements given before a clean close are kept.
pub(crate) async fn acknowledged_stays_acknowledged_after_reconnect(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&events("thing.done", 10, 100)).await?;
    reader.consume(100).await?;
    reader.close().await?;
    scene.broker.subscriber.close().await.map_err(|e| failed("close")(&e))?;
    let connection = scene.reconnect().await;
    let mut reader = connection.reader(&all("group")).await?;
    reader.stays_quiet(scene.fixture.quiet()).await
}
