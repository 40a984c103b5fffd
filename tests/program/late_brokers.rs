//! A broker that does not answer at the start: what the process does until it has one.

use std::{fs, net::TcpListener};

use reqwest::StatusCode;
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    process::{PATIENCE, Setting},
    silence::{becomes, health},
    support::{self, Kind, PrivateBroker, eventually},
};

/// The brokers whose addresses are given as `host:port` without more.
const SCHEMES: &[&str] = &[
    "redis",
    #[cfg(feature = "nats")]
    "nats",
    #[cfg(feature = "rabbitmq")]
    "amqp",
];

fn configure(setting: &Setting, text: &str) {
    fs::write(setting.folder().join("activelog.toml"), text).expect("a file");
}

/// Waits until `/health` says this of the broker.
async fn broker_is(client: &Client, status: &str, reason: &str) {
    let says = async || {
        let health = health(client).await;
        let all = health["components"].as_array()?;
        let broker = all.iter().find(|part| part["name"] == "broker")?;
        let told = broker["reason"].as_str().unwrap_or_default();
        (broker["status"] == status && told.contains(reason)).then_some(())
    };
    eventually(&format!("the broker is {status}: {reason}"), PATIENCE, says).await;
}

#[tokio::test]
async fn requests_are_taken_until_the_broker_is_there() {
    let Some(server) = PrivateBroker::start(Kind::Redis) else { return support::broker_left_out(Kind::Redis) };
    server.kill();
    let setting = Setting::sqlite().with_broker(server.url("away"));
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    client.create(&activity(Uuid::from_u128(1), 1, 10)).await;
    assert_eq!(client.status("/health/ready").await, StatusCode::OK);
    broker_is(&client, "degraded", "cannot be reached").await;
    server.restart();
    setting.store.settles_with(1).await;
    broker_is(&client, "up", "").await;
    serve.stop().await;
}

/// It says where it was looked for, why it failed and what to do, and no password; and it stops while it waits.
#[tokio::test]
async fn why_it_waits_is_told() {
    for scheme in SCHEMES {
        let setting = Setting::sqlite().with_broker(format!("{scheme}://anna:hush@localhost:1"));
        let serve = setting.start("serve").await;
        let hints = [&format!("{scheme}://localhost:1 cannot be reached"), "refused", "events wait", "doctor"];
        let told = async || hints.iter().all(|hint| serve.log().contains(hint)).then_some(());
        eventually(&format!("{scheme} is told of with {hints:?}"), PATIENCE, told).await;
        assert!(!serve.log().contains("hush"), "{}", serve.log());
        serve.stop().await;
    }
}

#[tokio::test]
async fn a_worker_is_not_ready_until_the_broker_is_there() {
    let Some(server) = PrivateBroker::start(Kind::Redis) else { return support::broker_left_out(Kind::Redis) };
    server.kill();
    let setting = Setting::sqlite().with_broker(server.url("away"));
    configure(&setting, "[server]\nhealth_listen = \"127.0.0.1:0\"\n");
    let worker = setting.start_with("worker", &[]).await;
    let client = Client::new(worker.base());
    assert_eq!(client.status("/health/ready").await, StatusCode::SERVICE_UNAVAILABLE);
    server.restart();
    becomes(&client, StatusCode::OK).await;
    worker.stop().await;
}

/// One that is connected late is judged as at the start, and not used; the API goes on.
#[tokio::test]
async fn one_that_keeps_too_little_is_not_used() {
    let start = || PrivateBroker::start_with(Kind::Redis, |_| "appendfsync everysec\n".to_owned());
    let Some(server) = start() else { return support::broker_left_out(Kind::Redis) };
    server.kill();
    let setting = Setting::sqlite().with_broker(server.url("late"));
    configure(&setting, "[broker]\nrequire_durability = \"power-loss\"\n");
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    server.restart();
    broker_is(&client, "degraded", "set `appendfsync always`").await;
    client.create(&activity(Uuid::from_u128(1), 1, 10)).await;
    serve.stop().await;
}

/// Connections are taken and nothing is ever said.
#[tokio::test]
async fn one_that_is_silent_holds_up_nobody() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    for scheme in SCHEMES {
        let setting = Setting::sqlite().with_broker(format!("{scheme}://{address}"));
        let serve = setting.start("serve").await;
        Client::new(serve.base()).create(&activity(Uuid::from_u128(1), 1, 10)).await;
        broker_is(&Client::new(serve.base()), "degraded", "cannot be reached").await;
        serve.stop().await;
    }
}
