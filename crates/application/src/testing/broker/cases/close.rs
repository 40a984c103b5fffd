use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    ports::{PublishErrorKind, SubscribeError},
    testing::broker::{
        BrokerFixture, Outcome,
        crowd::Crowd,
        event,
        events::events,
        scene::{Scene, all, ensure, failed},
    },
};

/// Calls after `close` fail with `Closed`; closing again is harmless.
pub(crate) async fn publish_after_close_is_refused(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let publisher = &scene.broker.publisher;
    for _ in 0..2 {
        scene.ends("closing the publisher", publisher.close()).await?.map_err(|e| failed("close")(&e))?;
    }
    let sent = [event("thing.done", "a", 1), event("thing.done", "b", 1)];
    let kind = publisher.publish(&sent[0]).await.err().map(|e| e.kind);
    ensure(kind == Some(PublishErrorKind::Closed), || format!("publish after close: {kind:?}"))?;
    let kinds: Vec<_> = publisher.publish_batch(&sent).await.into_iter().map(|o| o.err().map(|e| e.kind)).collect();
    ensure(kinds == [Some(PublishErrorKind::Closed); 2], || format!("publish_batch after close: {kinds:?}"))
}

/// A publisher is closed under load: every event that was taken is delivered.
pub(crate) async fn publisher_close_keeps_every_ok(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let taken: Arc<Mutex<HashSet<_>>> = Arc::default();
    let count = || taken.lock().unwrap_or_else(PoisonError::into_inner).len();
    let mut tasks: JoinSet<Outcome> = JoinSet::new();
    for task in 0..100 {
        let (publisher, taken) = (Arc::clone(&scene.broker.publisher), Arc::clone(&taken));
        tasks.spawn(async move {
            for n in 1.. {
                let event = event("thing.done", &format!("task-{task}"), n);
                match publisher.publish(&event).await {
                    Ok(()) => taken.lock().unwrap_or_else(PoisonError::into_inner).insert(event.id),
                    Err(error) if error.kind == PublishErrorKind::Closed => return Ok(()),
                    Err(error) => return Err(failed("publish")(&error)),
                };
                tokio::task::yield_now().await;
            }
            Ok(())
        });
    }
    scene.until("500 events are published", async || Ok(count() >= 500)).await?;
    scene.ends("closing the publisher", scene.broker.publisher.close()).await?.map_err(|e| failed("close")(&e))?;
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|e| e.to_string())??;
    }
    let mut missing = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    while !missing.is_empty() {
        let got =
            reader.consume(1).await.map_err(|why| format!("{} taken events are missing: {why}", missing.len()))?;
        missing.retain(|id| got.iter().all(|event| event.id != *id));
    }
    reader.close().await
}

/// Closing the subscriber ends its streams; it opens no more.
pub(crate) async fn subscriber_close_ends_streams(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut idle = scene.reader(&all("idle")).await?;
    let mut busy = scene.reader(&all("busy")).await?;
    scene.publish(&events("thing.done", 10, 100)).await?;
    let unsettled = busy.take(50).await?;
    idle.consume(100).await?;
    let subscriber = &scene.broker.subscriber;
    for _ in 0..2 {
        scene.ends("closing the subscriber", subscriber.close()).await?.map_err(|e| failed("close")(&e))?;
    }
    idle.ends().await?;
    busy.ends().await?;
    drop(unsettled);
    match scene.broker.subscriber.subscribe(&all("late")).await {
        Err(SubscribeError::Closed) => Ok(()),
        Err(other) => Err(format!("subscribe after close: {other}")),
        Ok(_) => Err("subscribed after close".to_owned()),
    }
}

/// What one subscriber leaves behind when it closes, another consumes.
pub(crate) async fn continue_after_subscriber_close(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let second = scene.reconnect().await;
    let mut reader = scene.reader(&all("group")).await?;
    let sent = events("thing.done", 10, 100);
    scene.publish(&sent).await?;
    let mut got: HashSet<_> = reader.consume(40).await?.into_iter().map(|event| event.id).collect();
    let unsettled = reader.take(10).await?;
    let closed = scene.ends("closing the subscriber", scene.broker.subscriber.close()).await?;
    closed.map_err(|e| failed("close")(&e))?;
    drop(unsettled);
    let mut reader = second.reader(&all("group")).await?;
    got.extend(reader.consume(60).await?.into_iter().map(|event| event.id));
    ensure(got.len() == sent.len(), || format!("{} of {} events came", got.len(), sent.len()))
}

/// Many tasks close at once.
pub(crate) async fn concurrent_close(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut readers = Vec::new();
    for _ in 0..5 {
        readers.push(scene.reader(&all("group")).await?);
    }
    scene.publish(&events("thing.done", 10, 100)).await?;
    let mut tasks: JoinSet<Outcome> = JoinSet::new();
    for _ in 0..10 {
        let broker = scene.broker.clone();
        tasks.spawn(async move {
            broker.publisher.close().await.map_err(|e| failed("close the publisher")(&e))?;
            broker.subscriber.close().await.map_err(|e| failed("close the subscriber")(&e))
        });
    }
    for reader in readers {
        tasks.spawn(reader.close());
    }
    let all_closed = async {
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|e| e.to_string())??;
        }
        Ok(())
    };
    scene.ends("closing from many tasks", all_closed).await?
}

/// Streams are closed while events flow: the others take over what is left.
pub(crate) async fn close_while_delivering(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let sent = events("thing.done", 40, 1_000);
    let crowd = Crowd::new(&sent, false, 0);
    let mut members = JoinSet::new();
    let leave = CancellationToken::new();
    for stream in 0..4 {
        let reader = scene.reader(&all("group").prefetch(20)).await?;
        // The first one stays.
        let leave = if stream == 0 { CancellationToken::new() } else { leave.clone() };
        members.spawn(Arc::clone(&crowd).member(stream, reader, leave));
    }
    let (first, rest) = sent.split_at(500);
    scene.publish(first).await?;
    scene.until("some events are consumed", async || Ok(crowd.missing() < 900)).await?;
    leave.cancel();
    scene.publish(rest).await?;
    crowd.finish(members, scene.fixture.patience()).await
}
