//! Nothing takes the events away: writes are refused in time, reads go on, and all is well again by itself.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::{Client, activity, created},
    process::{PATIENCE, Setting},
    support::eventually,
};

const ANNA: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_000a);

const CONFIGURATION: &str = "[backpressure]\nmax_outbox_events = 20\npoll_interval = \"50ms\"\n";

async fn post(client: &Client) -> Response {
    client.request(Method::POST, "/activities").json(&activity(ANNA, 2, 30)).send().await.expect("an answer")
}

async fn component(client: &Client) -> Value {
    let health = client.get("/health").await;
    let components = health["components"].as_array().expect("components").clone();
    components.into_iter().find(|component| component["name"] == "backpressure").expect("the component")
}

async fn refuses_and_recovers(setting: &Setting) {
    std::fs::write(setting.folder().join("activelog.toml"), CONFIGURATION).expect("a configuration");
    let api = setting.start("api").await;
    let client = Client::new(api.base());
    assert_eq!(component(&client).await["status"], "up");
    let mut accepted = 0;
    let refused = loop {
        let answer = post(&client).await;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            break answer;
        }
        created(answer).await;
        accepted += 1;
        assert!(accepted < 2_000, "writes are taken without end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(accepted > 20, "only {accepted} were taken");
    assert_eq!(refused.headers().get("retry-after").expect("a header"), "5");
    let problem: Value = refused.json().await.expect("a problem");
    assert_eq!(problem["type"], "urn:activelog:problem:backpressure");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("more than 20 events wait") && detail.contains("a relay runs"), "{detail}");
    assert_eq!(client.status("/activities").await, StatusCode::OK);
    assert_eq!(client.status("/health/ready").await, StatusCode::OK);
    assert_eq!(component(&client).await["status"], "degraded");
    assert_eq!(setting.store.whole_chains().await, accepted, "what was refused did nothing");

    let others = [setting.start_with("relay", &[]).await, setting.start_with("worker", &[]).await];
    eventually("writes are taken again", PATIENCE, async || {
        (post(&client).await.status() == StatusCode::CREATED).then_some(())
    })
    .await;
    assert_eq!(component(&client).await, json!({ "name": "backpressure", "status": "up" }));
    setting.store.settles_with(accepted + 1).await;
    let log = api.log();
    assert_eq!(log.matches("writes are refused").count(), 1, "{log}");
    assert_eq!(log.matches("writes are taken again").count(), 1, "{log}");
    for program in others.into_iter().chain([api]) {
        program.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_that_is_full_refuses_writes_on_sqlite() {
    refuses_and_recovers(&Setting::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outbox_that_is_full_refuses_writes_on_postgres() {
    let Some(setting) = Setting::postgres() else { return };
    refuses_and_recovers(&setting).await;
}
