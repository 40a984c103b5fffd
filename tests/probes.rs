//! Probes on real servers: what they tell of one that is set as it should be, and of one that is not.
#![cfg(unix)]
#![expect(clippy::expect_used, clippy::panic, reason = "what goes wrong fails the test")]

mod support;

use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Broker, BrokerProbe, BrokerReport, Durability, Finding, Severity};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use support::{Kind, PrivateBroker, broker_left_out, fresh_namespace};

/// The group whose part of the server is looked at.
const GROUP: &str = "group";

fn resources() -> BrokerResources {
    BrokerResources { ids: Arc::new(UuidV7Generator), journal: None }
}

async fn connect(url: &str) -> Broker {
    BrokerRegistry::with_builtin().connect(url, resources()).await.expect("the server is there")
}

async fn asker(url: &str) -> Arc<dyn BrokerProbe> {
    BrokerRegistry::with_builtin().probe(url, resources()).await.expect("the server is there")
}

async fn ask(probe: &dyn BrokerProbe) -> BrokerReport {
    probe.probe(GROUP).await.expect("the server answers")
}

/// A server that is set as it should not be; `None` where it is not installed.
fn careless(kind: Kind) -> Option<PrivateBroker> {
    let server = PrivateBroker::start_with(kind, |_| kind.careless().to_owned());
    if server.is_none() {
        broker_left_out(kind);
    }
    server
}

/// The finding that tells of `words`, with what it means and what to do.
fn found<'a>(report: &'a BrokerReport, severity: Severity, words: &str) -> &'a Finding {
    let finding = report.findings.iter().find(|finding| finding.what.contains(words));
    let finding = finding.unwrap_or_else(|| panic!("nothing of {words:?} in {report:#?}"));
    assert_eq!(finding.severity, severity, "{finding:?}");
    assert!(!finding.means.is_empty() && !finding.advice.is_empty(), "{finding:?}");
    finding
}

/// What is asked of a server that is as it should be.
async fn is_sound(kind: Kind) {
    let Some(url) = fresh_namespace(kind) else { return };
    let before = asker(&url).await;
    for _ in 0..2 {
        // Asking makes nothing, so it is the same the second time.
        assert_eq!(ask(&*before).await.laid_out, kind == Kind::Redis, "{}", kind.name());
    }
    let broker = connect(&url).await;
    let report = ask(&*broker.probe).await;
    assert!(report.laid_out && report.round_trip > Duration::ZERO, "{report:#?}");
    assert!(report.round_trip < Duration::from_secs(5), "{report:#?}");
    let version = report.version.clone();
    assert_eq!(version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit())), kind != Kind::Kafka);
    let worst = report.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok);
    // A Kafka of one node is less than it could be.
    let least = if kind == Kind::Kafka { Severity::Warning } else { Severity::Ok };
    assert_eq!(worst, least, "{report:#?}");
    assert!(report.clock_ahead.is_none_or(|ahead| ahead.abs() < Duration::from_secs(2).try_into().expect("short")));
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn redis_as_it_should_be_has_nothing_to_mend() {
    is_sound(Kind::Redis).await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_as_it_should_be_has_nothing_to_mend() {
    is_sound(Kind::Nats).await;
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn rabbitmq_as_it_should_be_has_nothing_to_mend() {
    is_sound(Kind::RabbitMq).await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn kafka_as_it_is_on_one_node_has_nothing_that_is_wrong() {
    is_sound(Kind::Kafka).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn redis_that_syncs_late_and_evicts_is_told_of() {
    let Some(server) = careless(Kind::Redis) else { return };
    let broker = connect(&server.url("probes")).await;
    assert_eq!(broker.capabilities.durability, Durability::ProcessCrash);
    let report = ask(&*broker.probe).await;
    assert!(found(&report, Severity::Warning, "appendfsync is everysec").advice.contains("appendfsync always"));
    found(&report, Severity::Error, "maxmemory-policy is allkeys-lru");
    let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port())).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the server is there");
    let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await.expect("its clients");
    assert!(clients.contains(" name=activelog "), "{clients}");
}

/// A user that may not see the settings is told of, and works.
#[cfg(feature = "redis")]
#[tokio::test]
async fn redis_that_keeps_its_settings_to_itself_is_told_of() {
    let Some(server) = PrivateBroker::start(Kind::Redis) else { return broker_left_out(Kind::Redis) };
    let port = server.port();
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the server is there");
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("ann").arg("on").arg(">hush").arg("~*").arg("+@all").arg("-config").arg("-info");
    let () = user.query_async(&mut connection).await.expect("a user");
    let broker = connect(&format!("redis://ann:hush@127.0.0.1:{port}?namespace=hidden")).await;
    assert_eq!(broker.capabilities.durability, Durability::ProcessCrash);
    let report = ask(&*broker.probe).await;
    found(&report, Severity::Warning, "does not tell this user its settings");
    assert_eq!(report.version, None);
    assert!(!format!("{report:?}").contains("hush"));
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_without_jetstream_is_told_of() {
    let Some(server) = careless(Kind::Nats) else { return };
    let report = ask(&*asker(&server.url("probes")).await).await;
    assert!(found(&report, Severity::Error, "JetStream is not there").advice.contains("jetstream {"));
    assert!(!report.laid_out && report.version.is_some(), "{report:#?}");
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn a_nats_stream_that_forgets_is_told_of() {
    use async_nats::jetstream::{self, stream};
    let Some(server) = PrivateBroker::start(Kind::Nats) else { return broker_left_out(Kind::Nats) };
    let client = async_nats::connect(format!("nats://127.0.0.1:{}", server.port())).await.expect("it is there");
    let config = stream::Config {
        name: "loose".to_owned(),
        subjects: vec!["loose.events.>".to_owned()],
        storage: stream::StorageType::Memory,
        discard: stream::DiscardPolicy::Old,
        max_messages: 1_000,
        max_age: Duration::from_secs(60),
        allow_direct: true,
        ..stream::Config::default()
    };
    jetstream::new(client).create_stream(config).await.expect("a stream");
    let broker = connect(&format!("nats://127.0.0.1:{}?namespace=loose", server.port())).await;
    // Whatever was said of the server: this stream is gone with its process.
    assert_eq!(broker.capabilities.durability, Durability::None);
    let report = ask(&*broker.probe).await;
    found(&report, Severity::Error, "kept in memory");
    found(&report, Severity::Error, "throws away its oldest");
    found(&report, Severity::Warning, "max_age");
    found(&report, Severity::Warning, "sync_interval");
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn a_classic_queue_of_rabbitmq_is_told_of() {
    use lapin::{Connection, ConnectionProperties, options::QueueDeclareOptions, types::FieldTable};
    let Some(url) = fresh_namespace(Kind::RabbitMq) else { return };
    let (server, namespace) = url.split_once("?namespace=").expect("a namespace");
    let broker = connect(&url).await;
    let other = Connection::connect(server, ConnectionProperties::default()).await.expect("the server is there");
    let channel = other.create_channel().await.expect("a channel");
    for partition in 0..16 {
        let queue = format!("{namespace}:{GROUP}:{partition}");
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), durable, FieldTable::default()).await.expect("a classic queue");
    }
    let report = ask(&*broker.probe).await;
    let finding = found(&report, Severity::Error, "is not what this program makes, and 15 others");
    assert!(finding.what.contains("inequivalent arg") && finding.advice.contains("delete_queue"), "{finding:?}");
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn a_queue_of_rabbitmq_that_is_gone_is_told_of() {
    use activelog_application::ports::{EventPattern, Subscription};
    use lapin::{Connection, ConnectionProperties, options::QueueDeleteOptions};
    let Some(url) = fresh_namespace(Kind::RabbitMq) else { return };
    let (server, namespace) = url.split_once("?namespace=").expect("a namespace");
    let broker = connect(&url).await;
    let stream = broker.subscriber.subscribe(&Subscription::new(GROUP, vec![EventPattern::all()])).await;
    stream.expect("a stream").close().await.expect("it closes");
    let other = Connection::connect(server, ConnectionProperties::default()).await.expect("the server is there");
    let channel = other.create_channel().await.expect("a channel");
    for partition in [3, 7] {
        let queue = format!("{namespace}:{GROUP}:{partition}");
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("it is gone");
    }
    let report = ask(&*broker.probe).await;
    found(&report, Severity::Error, "2 of the 16 queues of group group are missing");
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn an_alarm_of_rabbitmq_is_told_of() {
    let Some(server) = careless(Kind::RabbitMq) else { return };
    let broker = connect(&server.url("probes")).await;
    for _ in 0..2 {
        // The first time by what it publishes, the second because it is known by then.
        let report = ask(&*broker.probe).await;
        found(&report, Severity::Error, "connection.blocked");
        assert!(report.version.is_some(), "{report:#?}");
    }
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn a_kafka_topic_on_one_broker_is_told_of() {
    let Some(url) = fresh_namespace(Kind::Kafka) else { return };
    // More than there are: the topic cannot be made.
    let report = ask(&*asker(&format!("{url}&replication=3")).await).await;
    found(&report, Severity::Error, "is to be on 3 brokers, and there are 1");
    assert!(!report.laid_out, "{report:#?}");
    let report = ask(&*connect(&url).await.probe).await;
    found(&report, Severity::Warning, "one replica");
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn a_kafka_that_syncs_late_is_told_of() {
    let Some(server) = careless(Kind::Kafka) else { return };
    let broker = connect(&server.url("probes")).await;
    assert_eq!(broker.capabilities.durability, Durability::ProcessCrash);
    let report = ask(&*broker.probe).await;
    assert!(found(&report, Severity::Warning, "flush.messages").advice.contains("--add-config flush.messages=1"));
}

/// A server that has stopped is told of within the bound, and does not hold up whoever asks.
#[cfg(any(feature = "redis", feature = "nats"))]
#[tokio::test]
async fn a_server_that_stands_still_ends_the_asking() {
    for kind in [Kind::Redis, Kind::Nats] {
        let Some(server) = PrivateBroker::start(kind) else { return broker_left_out(kind) };
        let broker = connect(&server.url("still")).await;
        ask(&*broker.probe).await;
        server.pause();
        let asked = tokio::time::timeout(Duration::from_secs(11), broker.probe.probe(GROUP)).await;
        assert!(asked.is_ok_and(|answer| answer.is_err()), "{}", kind.name());
    }
}

/// Whose connection it is shows in the server's own tools; of Redis it is looked at above.
#[cfg(feature = "nats")]
#[tokio::test]
async fn nats_lists_whose_connections_they_are() {
    let monitor = support::private_postgres::free_port();
    let Some(server) = PrivateBroker::start_with(Kind::Nats, |_| format!("http: \"127.0.0.1:{monitor}\"\n")) else {
        return broker_left_out(Kind::Nats);
    };
    let _broker = connect(&server.url("names")).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let listed = http.get(format!("http://127.0.0.1:{monitor}/connz")).send().await.expect("the server tells");
    let listed = listed.text().await.expect("a list");
    assert!(listed.contains(r#""name": "activelog""#), "{listed}");
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn rabbitmq_logs_whose_connections_they_are() {
    let log = |_| "log.console.level = info\n".to_owned();
    let Some(server) = PrivateBroker::start_with(Kind::RabbitMq, log) else { return broker_left_out(Kind::RabbitMq) };
    let _broker = connect(&server.url("names")).await;
    for purpose in ["publishing", "consuming"] {
        let name = format!("activelog names: {purpose}");
        let is_logged = async || server.log().contains(&name).then_some(());
        support::eventually(&format!("the log has {name:?}"), Duration::from_secs(10), is_logged).await;
    }
}

#[cfg(feature = "kafka")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_lists_whose_members_they_are() {
    use activelog_application::ports::{EventPattern, Subscription};
    use rdkafka::{
        ClientConfig,
        consumer::{BaseConsumer, Consumer},
    };
    let Some(url) = fresh_namespace(Kind::Kafka) else { return };
    let broker = connect(&url).await;
    let subscription = Subscription::new(GROUP, vec![EventPattern::all()]);
    let _stream = broker.subscriber.subscribe(&subscription).await.expect("a stream");
    let (server, namespace) = url.split_once("?namespace=").expect("a namespace");
    let other = ClientConfig::new().set("bootstrap.servers", server.trim_start_matches("kafka://")).create();
    let other: BaseConsumer = other.expect("a client");
    let group = format!("{namespace}.{GROUP}");
    let is_listed = async || {
        let listed = other.fetch_group_list(Some(&group), Duration::from_secs(5)).ok()?;
        let members = listed.groups().iter().flat_map(|group| group.members());
        members.into_iter().any(|member| member.client_id() == "activelog-group").then_some(())
    };
    support::eventually("the group has a member of that name", Duration::from_secs(30), is_listed).await;
}
