//! What happens when something behind the API fails, or there is too much to do.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use activelog_application::{backpressure::Pressure, ports::StorageErrorKind, testing::Gate};
use activelog_interfaces::http::{ComponentStatus, HttpOptions};
use axum::{body::Body, extract::ConnectInfo, http::Method};
use serde_json::json;

use crate::{
    api::{Api, json_request, request, run},
    storage::Trouble,
};

#[tokio::test]
async fn transient_storage_failures_are_503_with_retry_after() {
    let api = Api::default();
    for (kind, problem, after) in
        [(StorageErrorKind::Unavailable, "unavailable", "1"), (StorageErrorKind::Full, "storage-full", "30")]
    {
        api.store.inner.fail_next("insert activity", kind);
        let answer = api.post("/activities", &run()).await;
        answer.problem(503, problem);
        assert_eq!(answer.header("retry-after"), Some(after));
        api.store.inner.fail_next("query activities", kind);
        let answer = api.get("/activities").await;
        answer.problem(503, problem);
        assert_eq!(answer.header("retry-after"), Some(after));
    }
    assert!(api.store.inner.outbox().is_empty());
    assert_eq!(api.post("/activities", &run()).await.status, 201);
}

#[tokio::test]
async fn other_failures_are_500_and_tell_nothing_of_the_inside() {
    let api = Api::default();
    api.store.inner.fail_next("insert activity", StorageErrorKind::Other);
    let answer = api.post("/activities", &run()).await;
    answer.problem(500, "internal");
    assert!(!answer.text().contains("injected"), "{}", answer.text());
    api.store.next(Trouble::Panic);
    let answer = api.post("/activities", &run()).await;
    answer.problem(500, "internal");
    assert!(!answer.text().contains("secret"), "{}", answer.text());
}

#[tokio::test]
async fn a_handler_that_panics_is_500_and_the_next_request_works() {
    let api = Api::default();
    api.health.set(None);
    let answer = api.get("/health/ready").await;
    answer.problem(500, "internal");
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    assert_eq!(api.get("/health/live").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_takes_too_long_is_503_and_did_nothing() {
    let api = Api::default();
    let gate = Arc::new(Gate::new());
    api.store.next(Trouble::Wait(gate.clone()));
    let answer = api.post("/activities", &run()).await;
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
    gate.open();
    api.orchestrator.close().await;
    assert!(api.store.inner.outbox().is_empty());
}

#[tokio::test]
async fn shutting_down_is_503() {
    let api = Api::default();
    api.orchestrator.close().await;
    let answer = api.post("/activities", &run()).await;
    answer.problem(503, "unavailable");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn more_requests_than_there_are_slots_are_503_but_health_answers() {
    let api = Arc::new(Api::new(HttpOptions { max_in_flight: 1, ..HttpOptions::default() }));
    let gate = Arc::new(Gate::new());
    api.store.next(Trouble::Wait(gate.clone()));
    let first = tokio::spawn({
        let api = api.clone();
        async move { api.post("/activities", &run()).await }
    });
    gate.arrived(1).await;
    let second = api.get("/activities").await;
    second.problem(503, "overloaded");
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(api.get("/health/ready").await.status, 200);
    gate.open();
    assert_eq!(first.await.expect("an answer").status, 201);
    assert_eq!(api.get("/activities").await.status, 200);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_429_and_others_are_not() {
    let api = Api::new(HttpOptions { rate_limit_per_second: Some(1), ..HttpOptions::default() });
    let from = |address: &str| {
        let mut get = request(Method::GET, "/activities").body(Body::empty()).expect("a request");
        get.extensions_mut().insert(ConnectInfo(SocketAddr::new(address.parse().expect("an address"), 1)));
        get
    };
    assert_eq!(api.send(from("192.0.2.1")).await.status, 200);
    let second = api.send(from("192.0.2.1")).await;
    second.problem(429, "rate-limited");
    assert_eq!(second.header("retry-after"), Some("1"));
    assert_eq!(api.send(from("192.0.2.2")).await.status, 200);
}

#[tokio::test]
async fn readiness_follows_the_components() {
    let api = Api::default();
    let (up, down) = (ComponentStatus::Up, ComponentStatus::Down("connection refused".into()));
    api.health.set(Some(vec![("database", up.clone()), ("broker", ComponentStatus::Degraded("slow".into()))]));
    for path in ["/health", "/health/ready"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("degraded")), "{path}");
    }
    api.health.set(Some(vec![("database", down), ("broker", up)]));
    for path in ["/health", "/health/ready"] {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.header("content-type")), (503, Some("application/json")), "{path}");
        let body = answer.json();
        assert_eq!(body["status"], "down");
        let database = json!({ "name": "database", "status": "down", "reason": "connection refused" });
        assert_eq!(body["components"][0], database);
    }
    let live = api.get("/health/live").await;
    assert_eq!((live.status, live.json()), (200, json!({ "status": "up" })));
}

#[tokio::test]
async fn health_shows_what_waits_to_be_published() {
    let api = Api::default();
    api.create(json!({})).await;
    api.journal.record(&api.store.inner.outbox());
    let body = api.get("/health").await.json();
    assert_eq!(body["outbox"]["events"], 1);
    assert!(body["outbox"]["oldest"].is_string(), "{body}");
}

#[tokio::test]
async fn a_request_timeout_bounds_everything() {
    let options = HttpOptions { request_timeout: Duration::from_millis(5), ..HttpOptions::default() };
    let api = Api::new(options);
    let gate = Arc::new(Gate::new());
    api.store.next(Trouble::Wait(gate));
    api.send(json_request(Method::POST, "/activities", &run())).await.problem(503, "unavailable");
}

#[tokio::test]
async fn under_pressure_writes_are_503_and_reads_go_on() {
    let api = Api::default();
    let created = api.create(json!({})).await;
    let path = format!("/activities/{}", created["id"].as_str().expect("an id"));
    api.pressure.set(vec![Pressure::OutboxEvents { bound: 100 }]);
    for method in [Method::POST, Method::PATCH, Method::DELETE, Method::PUT] {
        let target = if method == Method::POST { "/activities" } else { &path };
        let answer = api.send(json_request(method, target, &run())).await;
        let detail = answer.problem(503, "backpressure")["detail"].to_string();
        assert!(detail.contains("more than 100 events wait") && detail.contains("a relay runs"), "{detail}");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    for path in ["/activities", path.as_str(), "/health"] {
        assert_eq!(api.get(path).await.status, 200, "{path}");
    }
    // What relieves the pressure is not refused.
    assert_eq!(
        api.send(json_request(Method::POST, "/dead-letters/discard", &json!({ "all": true }))).await.status,
        200
    );
    assert_eq!(api.send(json_request(Method::POST, "/dead-lettersx", &json!({}))).await.status, 503);
    api.pressure.set(Vec::new());
    assert_eq!(api.post("/activities", &run()).await.status, 201);
}
