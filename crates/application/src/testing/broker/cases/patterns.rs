use std::sync::Arc;

use crate::{
    ports::{EventPattern, SubscribeError, Subscription},
    testing::broker::{
        BrokerFixture, Outcome, event,
        scene::{Scene, all, ensure, only},
    },
};

/// What the streams of these cases are published.
const NAMES: [&str; 6] = ["thing.done", "thing.undone", "thing.done.late", "thing", "thingx.done", "other.done"];

/// Publishes an event of every name and compares which of them `subscription` gets.
async fn selects(scene: &Scene, subscription: &Subscription, expected: &[&str]) -> Outcome {
    let mut reader = scene.reader(subscription).await?;
    let sent: Vec<_> = NAMES.iter().map(|name| event(name, name, 1)).collect();
    scene.publish(&sent).await?;
    let mut got: Vec<String> = reader.consume(expected.len()).await?.into_iter().map(|e| e.name).collect();
    got.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let patterns: Vec<_> = subscription.patterns.iter().map(EventPattern::as_str).collect();
    ensure(got == expected, || format!("{patterns:?} got {got:?}, not {expected:?}"))?;
    reader.stays_quiet(scene.fixture.quiet()).await.map_err(|why| format!("{patterns:?}: {why}"))?;
    reader.close().await
}

/// A subscription to one name gets nothing else.
pub(crate) async fn names_do_not_leak(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    selects(&scene, &only("group", "thing.done")?, &["thing.done"]).await
}

/// `*` stands for one word, `#` for any rest.
pub(crate) async fn wildcards_select(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let cases = [
        ("thing.*", &["thing.done", "thing.undone"][..]),
        ("*.done", &["thing.done", "thingx.done", "other.done"]),
        ("thing.#", &["thing.done", "thing.undone", "thing.done.late", "thing"]),
        ("#", &NAMES),
    ];
    for (n, (pattern, expected)) in cases.into_iter().enumerate() {
        let scene = Scene::open(Arc::clone(&fixture)).await;
        // What the patterns before were published is not this one's concern.
        let subscription = only(&format!("group-{n}"), pattern)?.start(crate::ports::StartFrom::Latest);
        selects(&scene, &subscription, expected).await?;
    }
    Ok(())
}

/// Patterns that overlap do not double an event.
pub(crate) async fn an_event_that_matches_twice_comes_once(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let mut subscription = only("group", "thing.*")?;
    subscription.patterns.extend(only("group", "thing.done")?.patterns);
    subscription.patterns.extend(only("group", "other.done")?.patterns);
    selects(&scene, &subscription, &["thing.done", "thing.undone", "other.done"]).await
}

/// What will never work is refused at once.
pub(crate) async fn impossible_subscriptions_are_refused(fixture: Arc<dyn BrokerFixture>) -> Outcome {
    let scene = Scene::open(fixture).await;
    let long = "g".repeat(101);
    for (what, subscription) in [
        ("no patterns", Subscription::new("group", vec![])),
        ("no prefetch", all("group").prefetch(0)),
        ("no group", all("")),
        ("a group with a space", all("a group")),
        ("a group in capitals", all("Group")),
        ("a group with a slash", all("a/b")),
        ("a long group", all(&long)),
    ] {
        match scene.broker.subscriber.subscribe(&subscription).await {
            Err(SubscribeError::Invalid(_)) => {}
            Err(other) => return Err(format!("{what}: {other}")),
            Ok(_) => return Err(format!("{what} is accepted")),
        }
    }
    Ok(())
}
