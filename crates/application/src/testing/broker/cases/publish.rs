use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    ports::{BrokerHealth, PublishErrorKind, Severity},
    testing::broker::{
        BrokerFixture, Outcome, event,
        events::events,
        scene::{Scene, all, ensure, failed},
    },
};

/// What is published arrives, once, as it was.
pub(crate) async fn publish_subscribe(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let sent = events("thing.done", 10, 100);
    for event in &sent {
        scene.broker.publisher.publish(event).await.map_err(|e| failed("publish")(&e))?;
    }
    let got = reader.consume(sent.len()).await?;
    let ids: HashSet<_> = got.iter().map(|event| event.id).collect();
    ensure(ids.len() == sent.len(), || format!("{} events arrived more than once", sent.len() - ids.len()))?;
    for event in &sent {
        ensure(got.contains(event), || format!("{} did not arrive as it was sent", event.id))?;
    }
    reader.stays_quiet(scene.fixture.quiet()).await?;
    reader.close().await
}

/// Any number of tasks publish through one publisher.
pub(crate) async fn concurrent_publishers(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    const TASKS: u64 = 50;
    const EACH: u64 = 20;
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let publisher = Arc::clone(&scene.broker.publisher);
        tasks.spawn(async move {
            for n in 1..=EACH {
                publisher.publish(&event("thing.done", &format!("task-{task}"), n)).await?;
            }
            Ok::<(), crate::ports::PublishError>(())
        });
    }
    let count = usize::try_from(TASKS * EACH).unwrap_or(0);
    let got: HashSet<_> = reader.consume(count).await?.into_iter().map(|e| (e.partition_key, e.sequence)).collect();
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|e| e.to_string())?.map_err(|e| failed("publish")(&e))?;
    }
    ensure(got.len() == count, || format!("{} of {count} events arrived", got.len()))?;
    reader.close().await
}

/// A batch has one outcome for each event, in order; one that is refused does not stop those of other keys.
pub(crate) async fn publish_batch_has_an_outcome_for_each(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let Some(huge) = too_large(&scene, "huge", 1) else { return Ok(()) };
    let batch = [event("thing.done", "a", 1), huge, event("thing.done", "b", 1)];
    let outcomes = scene.broker.publisher.publish_batch(&batch).await;
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|e| e.kind)).collect();
    let expected = [None, Some(PublishErrorKind::TooLarge), None];
    ensure(kinds == expected, || format!("outcomes are {kinds:?}, not {expected:?}"))?;
    let got: HashSet<_> = reader.consume(2).await?.into_iter().map(|e| e.partition_key).collect();
    ensure(got == HashSet::from(["a".to_owned(), "b".to_owned()]), || format!("{got:?} arrived"))?;
    ensure(scene.broker.publisher.publish_batch(&[]).await.is_empty(), || "outcomes for an empty batch".to_owned())
}

/// More data than the broker takes is `TooLarge`, and as much as it takes is not.
pub(crate) async fn too_large_is_refused(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let Some(huge) = too_large(&scene, "a", 1) else { return Ok(()) };
    let kind = scene.broker.publisher.publish(&huge).await.err().map(|e| e.kind);
    ensure(kind == Some(PublishErrorKind::TooLarge), || format!("one byte too many: {kind:?}"))?;
    let mut reader = scene.reader(&all("group")).await?;
    let fits = crate::ports::Broker::clone(&scene.broker).capabilities.max_payload;
    let mut largest = event("thing.done", "a", 1);
    largest.data = huge.data.slice(..fits);
    scene.publish(std::slice::from_ref(&largest)).await?;
    let got = reader.consume(1).await?;
    ensure(got.first() == Some(&largest), || "the largest event did not arrive as it was sent".to_owned())
}

/// An event that is published again, as after an answer that was lost, comes before later ones of its key, as it is; and once where the broker says so.
pub(crate) async fn same_event_again_changes_nothing(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let (first, second) = (event("thing.done", "a", 1), event("thing.done", "a", 2));
    for again in [&first, &first, &second] {
        scene.publish(std::slice::from_ref(again)).await?;
    }
    let mut times = 0;
    loop {
        let next = reader.consume(1).await?.pop().ok_or("nothing came")?;
        if next != first {
            ensure(next == second, || format!("{next:?} came"))?;
            break;
        }
        times += 1;
    }
    let expected = if scene.broker.capabilities.deduplicates { 1..=1 } else { 1..=2 };
    ensure(expected.contains(&times), || format!("it came {times} times, not {expected:?}"))?;
    reader.stays_quiet(scene.fixture.quiet()).await
}

/// After a failed event no later one of its key is published, or it would overtake.
pub(crate) async fn batch_skips_the_key_of_a_failed_event(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let Some(huge) = too_large(&scene, "a", 1) else { return Ok(()) };
    let batch = [huge, event("thing.done", "b", 1), event("thing.done", "a", 2), event("thing.done", "b", 2)];
    let outcomes = scene.broker.publisher.publish_batch(&batch).await;
    let kinds: Vec<_> = outcomes.iter().map(|o| o.as_ref().err().map(|e| e.kind)).collect();
    let expected = [Some(PublishErrorKind::TooLarge), None, Some(PublishErrorKind::Skipped), None];
    ensure(kinds == expected, || format!("outcomes are {kinds:?}, not {expected:?}"))?;
    let got = reader.consume(2).await?;
    ensure(got.iter().all(|e| e.partition_key == "b"), || "an event arrived whose publish failed".to_owned())?;
    reader.stays_quiet(scene.fixture.quiet()).await
}

/// Lag grows with what is published and is zero once all is acknowledged. Where the broker tells how old the oldest is, that grows with it.
pub(crate) async fn lag_reaches_zero(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    // In what units brokers stamp events is theirs.
    const CLOCKS: Duration = Duration::from_secs(1);
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&events("thing.done", 5, 50)).await?;
    let subscriber = &scene.broker.subscriber;
    let lag = async || subscriber.lag("group").await.map_err(|e| failed("lag")(&e));
    let events = async || Ok::<_, String>(lag().await?.map(|lag| lag.events));
    scene.until("the lag is what was published", async || Ok(events().await? == Some(50))).await?;
    scene
        .until("the age grows", async || Ok(lag().await?.is_none_or(|lag| lag.age.is_none_or(|age| age >= CLOCKS))))
        .await?;
    reader.consume(50).await?;
    scene.until("the lag is zero", async || Ok(events().await? == Some(0))).await?;
    let left = lag().await?.and_then(|lag| lag.age);
    ensure(left.is_none(), || format!("nothing is left, and the oldest of it is {left:?} old"))?;
    reader.close().await
}

/// Health answers at once, before and after closing.
pub(crate) async fn health_tells_up_and_closed(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let (publisher, subscriber) = (&scene.broker.publisher, &scene.broker.subscriber);
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&[event("thing.done", "a", 1)]).await?;
    reader.consume(1).await?;
    for health in [publisher.health(), subscriber.health()] {
        ensure(health == BrokerHealth::Up, || format!("while it works: {health:?}"))?;
    }
    scene.ends("closing the publisher", publisher.close()).await?.map_err(|e| failed("close")(&e))?;
    scene.ends("closing the subscriber", subscriber.close()).await?.map_err(|e| failed("close")(&e))?;
    for health in [publisher.health(), subscriber.health()] {
        ensure(health == BrokerHealth::Closed, || format!("after close: {health:?}"))?;
    }
    Ok(())
}

/// A server that is in use can be asked how it is, by several at once, and nobody gets anything by it.
pub(crate) async fn asking_disturbs_nothing(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&[event("thing.done", "a", 1)]).await?;
    reader.consume(1).await?;
    let probe = &scene.broker.probe;
    let (one, other) = tokio::join!(probe.probe("group"), probe.probe("another"));
    for report in [one, other] {
        let report = report.map_err(|e| failed("probe")(&e))?;
        ensure(report.laid_out, || format!("not all is there that is in use: {report:?}"))?;
        let wrong = report.findings.iter().find(|finding| finding.severity == Severity::Error);
        ensure(wrong.is_none(), || format!("on a server that works: {wrong:?}"))?;
    }
    reader.stays_quiet(scene.fixture.quiet()).await?;
    reader.close().await
}

/// An event with one byte of data more than the broker takes; `None` where that is more than a test should hold.
fn too_large(scene: &Scene, key: &str, sequence: u64) -> Option<activelog_domain::event::EventEnvelope> {
    const HOLDABLE: usize = 256 << 20;
    let most = scene.broker.capabilities.max_payload;
    let mut huge = event("thing.done", key, sequence);
    huge.data = Bytes::from(vec![b'1'; most.checked_add(1).filter(|size| *size <= HOLDABLE)?]);
    Some(huge)
}
