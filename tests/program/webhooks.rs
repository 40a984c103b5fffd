//! Webhooks, from a request to a receiver that is another program.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use bytes::Bytes;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use crate::{
    client::{Client, activity, created},
    process::{PATIENCE, Setting},
    support::eventually,
};

const ANNA: Uuid = Uuid::from_u128(0x0198_c0de_0000_7000_8000_0000_0000_000a);

/// Requests may be sent to this machine, a receiver that does not answer is waited for longer than a test lasts, and few events are
/// taken from the broker at once, so that one of them that is held up would be felt.
const CONFIGURATION: &str = "[webhooks]\nallow_private_networks = true\ntimeout = \"60s\"\n[worker]\nprefetch = 8\n";

/// A request as it arrived.
struct Arrived {
    headers: HeaderMap,
    body: Bytes,
    answered: StatusCode,
}

/// A program that is told of events. It stops when this is dropped.
struct Receiver {
    url: String,
    arrivals: mpsc::UnboundedReceiver<Arrived>,
    _serving: JoinSet<()>,
}

type Answers = Arc<Mutex<VecDeque<StatusCode>>>;

impl Receiver {
    /// One that answers so, and then with 204.
    async fn start(answers: &[StatusCode]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let answers: Answers = Arc::new(Mutex::new(answers.iter().copied().collect()));
        let router = Router::new().route("/hooks", post(receive)).with_state((arrived, answers));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, arrivals, _serving: serving }
    }

    async fn arrival(&mut self, until: Instant) -> Arrived {
        timeout_at(until, self.arrivals.recv()).await.expect("it arrives in time").expect("the receiver runs")
    }
}

async fn receive(
    State((arrived, answers)): State<(mpsc::UnboundedSender<Arrived>, Answers)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let next = answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let answered = next.unwrap_or(StatusCode::NO_CONTENT);
    arrived.send(Arrived { headers, body, answered }).ok();
    answered
}

fn configured(setting: Setting) -> Setting {
    fs::write(setting.folder().join("activelog.toml"), CONFIGURATION).expect("a writable folder");
    setting
}

async fn register(client: &Client, url: &str, events: &[&str]) -> Value {
    let body = json!({ "url": url, "events": events });
    let request = client.request(Method::POST, &format!("/users/{ANNA}/webhooks")).json(&body);
    created(request.send().await.expect("an answer")).await
}

async fn rename(client: &Client, id: &str, title: &str) {
    let request = client.request(Method::PATCH, &format!("/activities/{id}")).header("If-Match", "*");
    let answer = request.json(&json!({ "title": title })).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
}

/// A receiver that fails and recovers gets everything, in order, under the ids of the events, signed.
async fn a_receiver_recovers(setting: &Setting) {
    let program = setting.start("serve").await;
    let client = Client::new(program.base());
    let mut receiver = Receiver::start(&[StatusCode::INTERNAL_SERVER_ERROR]).await;
    let webhook = register(&client, &receiver.url, &["activity.*"]).await;
    let verifier = standardwebhooks::Webhook::new(webhook["secret"].as_str().expect("a secret")).expect("a secret");
    let id = client.create(&activity(ANNA, 1, 30)).await["id"].as_str().expect("an id").to_owned();
    for title in ["Noon run", "Evening run"] {
        rename(&client, &id, title).await;
    }
    let until = Instant::now() + PATIENCE;
    let mut taken = Vec::new();
    let mut attempts = Vec::new();
    while taken.len() < 3 {
        let arrived = receiver.arrival(until).await;
        verifier.verify(&arrived.body, &arrived.headers).expect("its signature is right, and new");
        let event: Value = serde_json::from_slice(&arrived.body).expect("JSON");
        assert_eq!(arrived.headers["webhook-id"].to_str().ok(), event["id"].as_str());
        attempts.push(event["id"].clone());
        if arrived.answered.is_success() {
            let data = &event["data"]["activity"];
            taken.push(json!([event["type"], event["specversion"], data["activity_id"], data["title"]]));
        }
    }
    let told = |kind: &str, title: &str| json!([kind, "1.0", id, title]);
    let expected = [
        told("activity.created", "Morning run"),
        told("activity.updated", "Noon run"),
        told("activity.updated", "Evening run"),
    ];
    assert_eq!(taken, expected);
    assert_eq!((attempts.len(), &attempts[0]), (4, &attempts[1]), "the first is sent again under its id: {attempts:?}");
    let own = format!("/users/{ANNA}/webhooks/{}", webhook["id"].as_str().expect("an id"));
    eventually("its failures are forgotten", PATIENCE, async || {
        let shown = client.get(&own).await;
        (shown["failures"] == 0 && shown["enabled"] == true).then_some(())
    })
    .await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_recovers_on_sqlite() {
    a_receiver_recovers(&configured(Setting::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_recovers_on_postgres() {
    let Some(setting) = Setting::postgres() else { return };
    a_receiver_recovers(&configured(setting)).await;
}

/// While one receiver takes connections and never answers, the other gets everything, and statistics are kept.
async fn a_silent_receiver_delays_nobody(setting: &Setting) {
    const EVENTS: usize = 40;
    let program = setting.start("serve").await;
    let client = Client::new(program.base());
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    register(&client, &url, &["#"]).await;
    let mut receiver = Receiver::start(&[]).await;
    register(&client, &receiver.url, &["#"]).await;
    client.create(&activity(ANNA, 1, 30)).await;
    let held = timeout(PATIENCE, silent.accept()).await.expect("it is tried").expect("a connection");
    // From here on less time passes than the silent receiver is waited for.
    let until = Instant::now() + Duration::from_secs(45);
    for minutes in 1..EVENTS {
        client.create(&activity(ANNA, 2, u64::try_from(minutes).expect("few"))).await;
    }
    let mut ids = BTreeSet::new();
    while ids.len() < EVENTS {
        let arrived = receiver.arrival(until).await;
        ids.insert(arrived.headers["webhook-id"].to_str().expect("text").to_owned());
    }
    let path = format!("/users/{ANNA}/statistics?period=month");
    eventually("the month is counted", until - Instant::now(), async || {
        let month = client.get(&path).await["periods"][0]["activities"].clone();
        (month == json!(EVENTS)).then_some(())
    })
    .await;
    drop(held);
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_receiver_delays_nobody_on_sqlite() {
    a_silent_receiver_delays_nobody(&configured(Setting::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_receiver_delays_nobody_on_postgres() {
    let Some(setting) = Setting::postgres() else { return };
    a_silent_receiver_delays_nobody(&configured(setting)).await;
}
