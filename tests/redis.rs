//! What only Redis can get wrong: streams are cut short, by the adapter itself; a user's rights are for each command.
#![cfg(feature = "redis")]
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use activelog_application::{
    ports::{Broker, DeliveryStream, EventPattern, Subscription},
    testing::broker::event,
};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use support::{Kind, eventually};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(url: &str) -> Broker {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    BrokerRegistry::with_builtin().connect(url, resources).await.expect("the server is there")
}

async fn stream(broker: &Broker, group: &str) -> Box<dyn DeliveryStream> {
    let subscription = Subscription::new(group, vec![EventPattern::all()]);
    broker.subscriber.subscribe(&subscription).await.expect("a stream")
}

async fn publish(broker: &Broker, sequences: std::ops::RangeInclusive<u64>) {
    let events: Vec<_> = sequences.map(|sequence| event("thing.done", "key", sequence)).collect();
    for outcome in broker.publisher.publish_batch(&events).await {
        outcome.expect("it is published");
    }
}

/// Takes and acknowledges events of the one key from `next` to `last`, none left out.
async fn take(stream: &mut dyn DeliveryStream, next: u64, last: u64) {
    let mut next = next;
    while next <= last {
        let batch = timeout(PATIENCE, stream.next()).await.expect("events come").expect("a stream");
        // What is beyond goes back.
        for delivery in batch {
            if next > last {
                break;
            }
            assert_eq!(delivery.event.sequence, next, "an event was left out, or came twice");
            delivery.ack().await.expect("it is ours");
            next += 1;
        }
    }
}

/// How long all streams are together.
async fn length(url: &str) -> usize {
    let (server, _) = url.split_once('?').expect("options");
    let client = ::redis::Client::open(server).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let namespace = url.split_once("namespace=").expect("one").1.split('&').next().expect("one");
    let mut length = 0;
    for partition in 0..16 {
        let stream = format!("{namespace}:events:{partition}");
        let of_one: usize = ::redis::cmd("XLEN").arg(stream).query_async(&mut connection).await.expect("a number");
        length += of_one;
    }
    length
}

/// What docs/brokers.md says a user needs.
const RIGHTS: &str = "+@stream +@hash +@set +@sortedset +@scripting +@transaction +ping +time +exists +del";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_needs_no_more_rights_than_are_documented() {
    assert!(include_str!("../docs/brokers.md").contains(RIGHTS), "docs/brokers.md does not say {RIGHTS}");
    let Some(server) = support::broker(Kind::Redis) else { return };
    let client = ::redis::Client::open(format!("redis://127.0.0.1:{}", server.port())).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let mut user = ::redis::cmd("ACL");
    user.arg("SETUSER").arg("least").arg("on").arg(">hush").arg("~least:*").arg(RIGHTS.split(' ').collect::<Vec<_>>());
    let () = user.query_async(&mut connection).await.expect("a user");
    let url = format!("redis://least:hush@127.0.0.1:{}?namespace=least&retain=0", server.port());
    let broker = connect(&url).await;
    let mut all = stream(&broker, "group").await;
    publish(&broker, 1..=3_000).await;
    take(&mut *all, 1, 3_000).await;
    let is_taken = async || {
        let lag = broker.subscriber.lag("group").await.expect("a lag").expect("a lag");
        (lag.events == 0).then_some(())
    };
    eventually("all is acknowledged", PATIENCE, is_taken).await;
    all.close().await.expect("it closes");
    broker.subscriber.remove_group("group").await.expect("it goes");
    broker.probe.probe("group").await.expect("it answers");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_cut_behind_the_slowest_group_and_no_further() {
    const FIRST: u64 = 3_000;
    const ALL: u64 = 6_000;
    let Some(url) = support::fresh_namespace(Kind::Redis) else { return };
    let url = format!("{url}&retain=0");
    let broker = connect(&url).await;
    let (mut fast, mut slow) = (stream(&broker, "fast").await, stream(&broker, "slow").await);
    publish(&broker, 1..=FIRST).await;
    take(&mut *fast, 1, FIRST).await;
    take(&mut *slow, 1, 10).await;
    drop(slow);
    let behind = async |group: &str, events| {
        let lag = broker.subscriber.lag(group).await.ok().flatten()?;
        (lag.events == events).then_some(())
    };
    eventually("the fast one has it all", PATIENCE, async || behind("fast", 0).await).await;
    publish(&broker, FIRST + 1..=ALL).await;
    take(&mut *fast, FIRST + 1, ALL).await;
    eventually("the fast one has it all", PATIENCE, async || behind("fast", 0).await).await;
    let kept = length(&url).await;
    assert!(kept >= 5_990, "of what the slow group has not had, some is gone: {kept} are kept");

    let mut slow = stream(&broker, "slow").await;
    take(&mut *slow, 11, ALL).await;
    eventually("both have it all", PATIENCE, async || behind("slow", 0).await).await;
    // Redis cuts by whole nodes of its tree.
    eventually("what all have had is gone", PATIENCE, async || (length(&url).await < 1_500).then_some(())).await;
}
