use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use crate::testing::broker::{
    BrokerFixture, Outcome, event,
    events::events,
    scene::{Scene, ack, all, ensure, failed, nack},
};

/// What is given back comes again.
pub(crate) async fn nacked_is_redelivered(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    let sent = event("thing.done", "a", 1);
    scene.publish(std::slice::from_ref(&sent)).await?;
    for _ in 0..3 {
        let delivery = reader.next().await?;
        ensure(*delivery.event == sent, || format!("{delivery:?} is not what was given back"))?;
        nack(delivery, Duration::ZERO).await?;
    }
    reader.consume(1).await?;
    reader.stays_quiet(scene.fixture.quiet()).await
}

/// What is given back with a delay does not come sooner.
pub(crate) async fn nack_delay_is_respected(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    const DELAY: Duration = Duration::from_millis(400);
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&[event("thing.done", "a", 1)]).await?;
    let delivery = reader.next().await?;
    let given_back = Instant::now();
    nack(delivery, DELAY).await?;
    let again = reader.next().await?;
    let after = given_back.elapsed();
    ensure(after >= DELAY, || format!("it came again after {after:?}, not {DELAY:?}"))?;
    ack(again).await
}

/// Dropping a delivery gives it back.
pub(crate) async fn dropped_is_redelivered(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&events("thing.done", 3, 9)).await?;
    let dropped: HashSet<_> = reader.take(9).await?.into_iter().map(|delivery| delivery.event.id).collect();
    let again: HashSet<_> = reader.consume(9).await?.into_iter().map(|event| event.id).collect();
    ensure(dropped == again, || "other events came than were dropped".to_owned())
}

/// A consumer that is gone with events unsettled has not taken them.
pub(crate) async fn unacknowledged_after_stream_drop_is_redelivered(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut first = scene.reader(&all("group")).await?;
    scene.publish(&events("thing.done", 4, 20)).await?;
    let mut taken = first.take(20).await?;
    for delivery in taken.drain(..8) {
        ack(delivery).await?;
    }
    let unsettled: HashSet<_> = taken.iter().map(|delivery| delivery.event.id).collect();
    drop(first);
    drop(taken);
    let mut second = scene.reader(&all("group")).await?;
    let again: HashSet<_> = second.consume(12).await?.into_iter().map(|event| event.id).collect();
    ensure(unsettled == again, || "what was unsettled when the stream was dropped did not come again".to_owned())
}

/// What is acknowledged does not come again, whatever else is given back.
pub(crate) async fn acknowledged_never_comes_again(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&events("thing.done", 4, 40)).await?;
    let mut given_back = HashSet::new();
    for (n, delivery) in reader.take(40).await?.into_iter().enumerate() {
        if n % 4 == 3 {
            given_back.insert(delivery.event.id);
            nack(delivery, Duration::ZERO).await?;
        } else {
            ack(delivery).await?;
        }
    }
    let again: HashSet<_> = reader.consume(given_back.len()).await?.into_iter().map(|event| event.id).collect();
    ensure(again == given_back, || "an acknowledged event came again".to_owned())?;
    reader.stays_quiet(scene.fixture.quiet()).await
}

/// With room for one, the next is withheld until that one is acknowledged.
pub(crate) async fn no_ack_withholds_next(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group").prefetch(1)).await?;
    scene.publish(&events("thing.done", 3, 3)).await?;
    for _ in 0..2 {
        let held = reader.next().await?;
        reader.stays_quiet(scene.fixture.quiet()).await?;
        ack(held).await?;
    }
    reader.consume(1).await.map(|_| ())
}

/// Never more than the prefetch are unsettled, and as many as are settled come after.
pub(crate) async fn prefetch_bounds_unsettled(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group").prefetch(10)).await?;
    scene.publish(&events("thing.done", 50, 50)).await?;
    let mut held = reader.take(10).await?;
    reader.stays_quiet(scene.fixture.quiet()).await?;
    for delivery in held.drain(..3) {
        ack(delivery).await?;
    }
    held.extend(reader.take(3).await?);
    reader.stays_quiet(scene.fixture.quiet()).await?;
    for delivery in held {
        ack(delivery).await?;
    }
    reader.consume(37).await.map(|_| ())
}

/// Every event is given back once, and all of them get through.
pub(crate) async fn continue_after_errors(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group").prefetch(5)).await?;
    scene.publish(&events("thing.done", 7, 50)).await?;
    let (mut failed, mut taken) = (HashSet::new(), HashSet::new());
    while taken.len() < 50 {
        let delivery = reader.next().await.map_err(|why| format!("after {} of 50 events: {why}", taken.len()))?;
        let id = delivery.event.id;
        if failed.insert(id) {
            nack(delivery, Duration::ZERO).await?;
        } else {
            ensure(taken.insert(id), || "an acknowledged event came again".to_owned())?;
            ack(delivery).await?;
        }
    }
    Ok(())
}

/// A dropped call of `next` loses nothing.
pub(crate) async fn next_is_cancel_safe(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    const COUNT: usize = 300;
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group").prefetch(7)).await?;
    let publisher = Arc::clone(&scene.broker.publisher);
    let publishing = tokio::spawn(async move {
        for event in events("thing.done", 11, COUNT as u64) {
            publisher.publish(&event).await?;
        }
        Ok::<(), crate::ports::PublishError>(())
    });
    let patience = scene.fixture.patience();
    let (mut taken, mut progress) = (HashSet::new(), Instant::now());
    while taken.len() < COUNT {
        ensure(progress.elapsed() < patience, || format!("{} of {COUNT} events came", taken.len()))?;
        // Cancelled at ever other moments, often in the middle of an arrival.
        let wait = Duration::from_micros(fastrand::u64(0..2_000));
        let Ok(batch) = timeout(wait, reader.stream().next()).await else { continue };
        for delivery in batch.ok_or("the stream ended")? {
            taken.insert(delivery.event.id);
            progress = Instant::now();
            ack(delivery).await?;
        }
    }
    publishing.await.map_err(|e| e.to_string())?.map_err(|e| failed("publish")(&e))
}

/// Settling what a closed stream has delivered neither hangs nor counts.
pub(crate) async fn settling_after_close_has_no_effect(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut reader = scene.reader(&all("group")).await?;
    scene.publish(&events("thing.done", 3, 6)).await?;
    let late = reader.take(6).await?;
    reader.close().await?;
    for (n, delivery) in late.into_iter().enumerate() {
        // Whether it is told to be lost is up to the adapter; it must answer.
        let _lost = match n % 2 {
            0 => scene.ends("a late acknowledgement", delivery.ack()).await?,
            _ => scene.ends("giving back late", delivery.nack(Duration::ZERO)).await?,
        };
    }
    let mut second = scene.reader(&all("group")).await?;
    let again: HashSet<_> = second.consume(6).await?.into_iter().map(|event| event.id).collect();
    ensure(again.len() == 6, || format!("{} of 6 unsettled events came again", again.len()))
}
