//! A subscription that gets nothing while the broker takes events: the process is not ready until it has healed.

use std::fs;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    process::{PATIENCE, Setting},
    support::{self, Kind, PrivateBroker, eventually},
};

/// Lets the server's only user read streams, or not.
async fn let_read(port: u16, rule: &str) {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the server is there");
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("default").arg(rule);
    let () = user.query_async(&mut connection).await.expect("a rule");
}

pub(crate) async fn becomes(client: &Client, status: StatusCode) {
    let answers = async || (client.status("/health/ready").await == status).then_some(());
    eventually(&format!("/health/ready answers {status}"), PATIENCE, answers).await;
}

/// What `/health` says, whatever its status.
pub(crate) async fn health(client: &Client) -> Value {
    let answer = client.request(Method::GET, "/health").send().await.expect("an answer");
    answer.json().await.expect("JSON")
}

#[tokio::test]
async fn a_dead_subscription_makes_its_process_unready_until_it_heals() {
    let Some(server) = PrivateBroker::start(Kind::Redis) else { return support::broker_left_out(Kind::Redis) };
    let setting = Setting::sqlite().with_broker(server.url("silence"));
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    becomes(&client, StatusCode::OK).await;
    let_read(server.port(), "-xread").await;
    becomes(&client, StatusCode::SERVICE_UNAVAILABLE).await;
    let health = health(&client).await;
    let find = |name| health["components"].as_array().and_then(|all| all.iter().find(|part| part["name"] == name));
    let subscription = find("subscription").expect("the component");
    assert_eq!(subscription["status"], "down", "{health:#}");
    assert!(subscription["reason"].as_str().is_some_and(|why| why.contains("reading events")), "{health:#}");
    // What it is told of goes on its way all the same.
    client.create(&activity(Uuid::from_u128(1), 1, 10)).await;
    let_read(server.port(), "+xread").await;
    becomes(&client, StatusCode::OK).await;
    setting.store.settles_with(1).await;
    serve.stop().await;
}

#[tokio::test]
async fn a_worker_answers_for_its_health_where_it_is_told_to() {
    let Some(server) = PrivateBroker::start(Kind::Redis) else { return support::broker_left_out(Kind::Redis) };
    let setting = Setting::sqlite().with_broker(server.url("silence"));
    let file = setting.folder().join("activelog.toml");
    fs::write(file, "[server]\nhealth_listen = \"127.0.0.1:0\"\n").expect("a file");
    let worker = setting.start_with("worker", &[]).await;
    let client = Client::new(worker.base());
    becomes(&client, StatusCode::OK).await;
    assert_eq!(client.status("/health/live").await, StatusCode::OK);
    for elsewhere in ["/activities", "/docs", "/dead-letters"] {
        assert_eq!(client.status(elsewhere).await, StatusCode::NOT_FOUND, "{elsewhere}");
    }
    server.kill();
    let degraded = eventually("the broker is missed", PATIENCE, async || {
        let health = health(&client).await;
        (health["status"] == "degraded").then_some(())
    });
    degraded.await;
    assert_eq!(
        client.status("/health/ready").await,
        StatusCode::OK,
        "a broker that is away is no fault of the process"
    );
    worker.stop().await;
}
