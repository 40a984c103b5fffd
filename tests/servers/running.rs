//! `scripts/servers` with every server there is.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    ports::{Broker, DeliveryStream, Durability, EventPattern, Subscription},
    testing::broker::event,
};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources},
    id_generator::UuidV7Generator,
};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

use crate::{
    set::Set,
    support::{Kind, broker_left_out, left_out, private_postgres::has_postgres},
};

const SERVERS: [&str; 5] = ["postgres", "redis", "nats", "rabbitmq", "kafka"];

const SCHEMES: [&str; 4] = ["amqp", "kafka", "nats", "redis"];

/// How long a step may take beside starting and stopping.
const PATIENCE: Duration = Duration::from_secs(20);

const EVENTS: u64 = 20;

/// Whether all of them are on this machine; which are not is said.
fn installed() -> bool {
    let missing = Kind::ALL.into_iter().filter(|kind| kind.find().is_none());
    let missing = missing.inspect(|kind| broker_left_out(*kind)).count();
    if !has_postgres() {
        left_out(&crate::support::ServerMissing);
    }
    missing == 0 && has_postgres()
}

async fn connect(url: &str) -> Broker {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    let registry = BrokerRegistry::with_builtin();
    timeout(PATIENCE, registry.connect(url, resources))
        .await
        .expect("it answers")
        .unwrap_or_else(|error| panic!("{url}: {error}"))
}

async fn subscribe(broker: &Broker) -> Box<dyn DeliveryStream> {
    let subscription = Subscription::new("group", vec![EventPattern::all()]);
    broker.subscriber.subscribe(&subscription).await.expect("a subscription")
}

async fn close(broker: Broker) {
    broker.publisher.close().await.expect("it closes");
    broker.subscriber.close().await.expect("it closes");
}

/// Publishes to a group that is not there at the moment.
async fn publish(url: &str) {
    let broker = connect(url).await;
    assert_eq!(broker.capabilities.durability, Durability::PowerLoss, "{url}");
    subscribe(&broker).await.close().await.expect("it closes");
    for sequence in 1..=EVENTS {
        let published = timeout(PATIENCE, broker.publisher.publish(&event("thing.done", "key", sequence))).await;
        published.expect("it answers").unwrap_or_else(|error| panic!("{url}: {error}"));
    }
    close(broker).await;
}

/// Takes what was published, in its order.
async fn consume(url: &str) {
    let broker = connect(url).await;
    let mut stream = subscribe(&broker).await;
    let mut taken = 0;
    while taken < EVENTS {
        let batch = timeout(PATIENCE, stream.next()).await.unwrap_or_else(|_| panic!("{url}: {taken} events came"));
        for delivery in batch.expect("the stream goes on") {
            taken += 1;
            assert_eq!(delivery.event.sequence, taken, "{url}");
            delivery.ack().await.expect("it is ours");
        }
    }
    stream.close().await.expect("it closes");
    close(broker).await;
}

async fn sql(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL answers");
    sqlx::raw_sql(statement).execute(&mut connection).await.expect("it does it");
}

/// Whether every place that a set listens at is on loopback.
fn stays_at_home(set: &Set, ports: &[&str]) {
    let listens = set.listens();
    for place in &listens {
        // 127.0.0.1, ::1, and 127.0.0.1 as an address of the sixth version.
        let (address, _) = place.split_once(':').expect("an address and a port");
        let loopback =
            ["0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"].contains(&address);
        assert!(loopback, "a server listens at {place}");
    }
    for name in ports {
        let port = format!(":{:04X}", set.ports[name]);
        assert!(
            listens.iter().any(|place| place.ends_with(&port)),
            "nobody listens on the port of {name}: {listens:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_start_side_by_side_carry_events_keep_them_and_leave_nothing_behind() {
    if !installed() {
        return;
    }
    let (mut set, other) = (Set::new(), Set::new());
    // A second one of what is hardest to have twice.
    let (set_starts, other_starts) = std::thread::scope(|scope| {
        let other = scope.spawn(|| other.tell("start", &["rabbitmq", "redis"]));
        (set.tell("start", &[]), other.join().expect("it starts"))
    });
    assert_eq!((set_starts.lines().count(), other_starts.lines().count()), (SERVERS.len(), 2));
    let status = set.tell("status", &[]);
    assert_eq!(status.matches("runs on port").count(), SERVERS.len(), "{status}");
    stays_at_home(&set, &set.ports.keys().copied().collect::<Vec<_>>());
    stays_at_home(&other, &["RABBITMQ", "RABBITMQ_DISTRIBUTION", "RABBITMQ_EPMD", "REDIS"]);

    let urls = set.urls();
    for scheme in SCHEMES {
        publish(&urls[scheme]).await;
    }
    sql(&urls["postgres"], "CREATE TABLE kept (number int)").await;
    // The other set has nothing of it, and works.
    let others = other.urls();
    for scheme in ["amqp", "redis"] {
        publish(&others[scheme]).await;
        consume(&others[scheme]).await;
    }
    // One that was killed is started like one that was stopped.
    other.kill("beam.smp").await;
    assert_eq!(other.tell("start", &["rabbitmq"]).matches("runs on port").count(), 1);
    publish(&others["amqp"]).await;
    let stopped = std::thread::scope(|scope| {
        let other = scope.spawn(|| other.tell("stop", &[]));
        let stopped = set.tell("stop", &[]);
        other.join().expect("it stops");
        stopped
    });
    assert_eq!(other.processes(), Vec::<std::path::PathBuf>::new());
    assert_eq!(stopped.matches(": stopped").count(), SERVERS.len(), "{stopped}");
    assert_eq!(set.processes(), Vec::<std::path::PathBuf>::new());
    assert_eq!(set.urls().len(), 0, "nothing runs");
    set.move_elsewhere();
    set.tell("start", &[]);
    let urls = set.urls();
    for scheme in SCHEMES {
        consume(&urls[scheme]).await;
    }
    sql(&urls["postgres"], "SELECT number FROM kept").await;
    set.tell("stop", &[]);
    assert_eq!(set.processes(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_port_that_is_taken_is_named() {
    if !installed() {
        return;
    }
    let set = Set::new();
    for (server, name) in [("redis", "REDIS"), ("rabbitmq", "RABBITMQ_EPMD"), ("kafka", "KAFKA_CONTROLLER")] {
        let _taken = std::net::TcpListener::bind(("127.0.0.1", set.ports[name])).expect("it was free");
        let refused = set.run("start", &[server]);
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && why.contains(&format!("ACTIVELOG_{name}_PORT")), "{why}");
    }
    assert_eq!(set.processes(), Vec::<std::path::PathBuf>::new());
}
