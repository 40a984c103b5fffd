//! The bridge, killed in the middle of a live stream.

use std::{
    collections::{HashMap, HashSet},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use activelog_application::{
    ports::{Broker, EventPattern, Subscription},
    testing::broker::event,
};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use tokio::{process::Child, time::timeout};
use uuid::Uuid;

use crate::{
    process::{PATIENCE, Setting},
    support::{self, Kind, eventually},
};

const EVENTS: u64 = 4_000;
const KEYS: u64 = 40;

pub(crate) async fn connect(url: &str) -> Broker {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    BrokerRegistry::with_builtin().connect(url, resources).await.expect("the server is there")
}

pub(crate) async fn close(broker: Broker) {
    broker.subscriber.close().await.expect("it closes");
    broker.publisher.close().await.expect("it closes");
}

fn events() -> Vec<EventEnvelope> {
    (0..EVENTS).map(|n| event("thing.done", &format!("thing-{}", n % KEYS), n / KEYS + 1)).collect()
}

/// Publishes all the time, a few at once.
async fn publish(broker: &Broker, events: &[EventEnvelope]) {
    for some in events.chunks(100) {
        for outcome in broker.publisher.publish_batch(some).await {
            outcome.expect("the server takes it");
        }
    }
}

fn start_bridge(setting: &Setting, from: &str, to: &str) -> Child {
    let mut command = setting.command(&["bridge", "--from", from, "--to", to]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// What has arrived at the target, for the first time or again.
struct Arrived {
    stream: Box<dyn activelog_application::ports::DeliveryStream>,
    /// Of each event: its key and its place in it.
    seen: HashSet<Uuid>,
    last: HashMap<String, u64>,
    again: u64,
}

impl Arrived {
    async fn next(&mut self) {
        let batch = timeout(PATIENCE, self.stream.next()).await.expect("events arrive").expect("the stream is open");
        for delivery in batch {
            let event = &delivery.event;
            if self.seen.insert(event.id) {
                let last = self.last.insert(event.partition_key.clone(), event.sequence).unwrap_or(0);
                assert_eq!(event.sequence, last + 1, "{} arrived out of order", event.partition_key);
            } else {
                self.again += 1;
            }
            delivery.ack().await.expect("it is acknowledged");
        }
    }

    async fn reaches(&mut self, count: usize) {
        while self.seen.len() < count {
            self.next().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_killed_loses_nothing_and_keeps_the_order() {
    let Some(from) = support::fresh_namespace(Kind::RabbitMq) else { return };
    let Some(to) = support::fresh_namespace(Kind::Nats) else { return };
    let (setting, sent) = (Setting::sqlite(), events());
    let (source, target) = (connect(&from).await, connect(&to).await);
    let begun = setting.run(&["groups", "begin", "bridge", "--from", "now", "--broker-url", &from]).await;
    assert!(begun.status.success(), "{begun:?}");
    let subscription = Subscription::new("judge", vec![EventPattern::all()]);
    let stream = target.subscriber.subscribe(&subscription).await.expect("the server is there");
    let mut arrived = Arrived { stream, seen: HashSet::new(), last: HashMap::new(), again: 0 };

    let copying = async {
        for kill in 1..=3 {
            let mut bridge = start_bridge(&setting, &from, &to);
            // Whatever it has under way then: it never stops copying meanwhile.
            arrived.reaches(kill * 900).await;
            bridge.kill().await.expect("it is ours");
        }
        let mut command = setting.command(&["bridge", "--from", &from, "--to", &to]);
        let mut bridge = command.stdout(Stdio::null()).spawn().expect("the program starts");
        arrived.reaches(sent.len()).await;
        bridge.kill().await.expect("it is ours");
    };
    tokio::join!(publish(&source, &sent), copying);

    let drained = setting.run(&["bridge", "--from", &from, "--to", &to, "--until-drained"]).await;
    assert_eq!(drained.status.code(), Some(0), "{drained:?}");
    let told = String::from_utf8_lossy(&drained.stdout).into_owned();
    assert!(told.contains("the source has nothing more"), "{told}");
    let lag = async || {
        let lag = target.subscriber.lag("judge").await.expect("the server is there");
        lag.is_some_and(|lag| lag.events == 0).then_some(())
    };
    // What the last one copied again arrives as well, and is known.
    while timeout(Duration::from_millis(500), arrived.next()).await.is_ok() {}
    eventually("everything at the target was seen", PATIENCE, lag).await;
    assert_eq!(
        arrived.seen,
        sent.iter().map(|event| event.id).collect(),
        "what is at the target was sent, and all of it"
    );
    eprintln!("{EVENTS} events copied, {} arrived again after 4 kills", arrived.again);
    arrived.stream.close().await.expect("it closes");
    close(source).await;
    close(target).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_refuses_to_go_in_a_circle_and_stops_at_what_the_target_refuses() {
    let Some(from) = support::fresh_namespace(Kind::Nats) else { return };
    let Some(to) = support::fresh_namespace(Kind::Kafka) else { return };
    let setting = Setting::sqlite();
    let circle = setting.run(&["bridge", "--from", &from, "--to", &format!("{from}&max_age=1d")]).await;
    assert_eq!(circle.status.code(), Some(2), "{circle:?}");

    let source = connect(&from).await;
    let mut sent: Vec<EventEnvelope> = (1..=6).map(|n| event("thing.done", "thing-1", n)).collect();
    // More than the topic takes, and less than the source does.
    sent[3].data = format!("\"{}\"", "x".repeat(256 << 10)).into();
    publish(&source, &sent).await;
    let to_small = format!("{to}&max_payload=65536");
    let bridge = ["bridge", "--from", &from, "--to", &to_small, "--until-drained"];
    let stopped = setting.run(&bridge).await;
    let errors = String::from_utf8_lossy(&stopped.stderr).into_owned();
    assert_eq!(stopped.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&sent[3].id.to_string()) && errors.contains("--skip-refused"), "{errors}");

    let skipping = setting.run(&[&bridge[..], &["--skip-refused", "refused.jsonl"]].concat()).await;
    assert_eq!(skipping.status.code(), Some(0), "{skipping:?}");
    let kept = std::fs::read_to_string(setting.folder().join("refused.jsonl")).expect("the file");
    let kept: Vec<serde_json::Value> = kept.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(matches!(&kept[..], [line] if line["event"]["id"] == sent[3].id.to_string()), "{}", kept.len());
    let tail = setting.run(&["events", "tail", "--broker", "--output", "json", "--broker-url", &to_small]).await;
    let copied: Vec<String> = String::from_utf8_lossy(&tail.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["event"]["id"].to_string())
        .collect();
    let expected = sent.iter().enumerate().filter(|(n, _)| *n != 3).map(|(_, event)| format!("\"{}\"", event.id));
    assert_eq!(copied, expected.collect::<Vec<_>>(), "{tail:?}");
    close(source).await;
}
