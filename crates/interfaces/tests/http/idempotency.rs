//! Idempotency-Key: one request, one effect, one answer.

use std::sync::Arc;

use activelog_application::testing::Gate;
use axum::{
    body::Body,
    http::{Method, Request},
};
use serde_json::{Value, json};

use crate::{
    api::{Api, json_request, request, run, run_with, with},
    storage::Trouble,
};

fn keyed(key: &str, body: &Value) -> Request<Body> {
    with(json_request(Method::POST, "/activities", body), "idempotency-key", key)
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_has_one_effect() {
    let api = Api::default();
    let first = api.send(keyed("k1", &run())).await;
    let again = api.send(keyed("k1", &run())).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    for name in ["location", "etag", "content-type"] {
        assert_eq!(first.header(name), again.header(name), "{name}");
    }
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
    assert_eq!(api.store.inner.outbox().len(), 1);
    assert_eq!(api.send(keyed("k2", &run())).await.header("idempotent-replayed"), None);
    assert_eq!(api.store.inner.outbox().len(), 2);
}

#[tokio::test]
async fn the_same_key_for_another_request_is_422() {
    let api = Api::default();
    assert_eq!(api.send(keyed("k", &run())).await.status, 201);
    let other = api.send(keyed("k", &run_with(json!({ "title": "other" })))).await;
    other.problem(422, "idempotency-key-reused");
    assert_eq!(api.store.inner.outbox().len(), 1);
}

#[tokio::test]
async fn a_refused_request_does_not_use_up_its_key() {
    let api = Api::default();
    api.send(keyed("k", &run_with(json!({ "title": "" })))).await.problem(422, "validation");
    assert_eq!(api.send(keyed("k", &run())).await.status, 201);
}

#[tokio::test]
async fn keys_are_visible_ascii_up_to_255() {
    let api = Api::default();
    assert_eq!(api.send(keyed(&"k".repeat(255), &run())).await.status, 201);
    for bad in ["", "two words", &"k".repeat(256), "schlüssel"] {
        let answer = api.send(keyed(bad, &run())).await;
        answer.problem(400, "invalid-parameter");
        assert_eq!(answer.bad_fields(), ["Idempotency-Key"]);
    }
    let twice = with(keyed("a", &run()), "idempotency-key", "b");
    api.send(twice).await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn a_key_that_is_being_worked_on_is_409_until_it_is_answered() {
    let api = Arc::new(Api::default());
    let gate = Arc::new(Gate::new());
    api.store.next(Trouble::Wait(gate.clone()));
    let first = tokio::spawn({
        let api = api.clone();
        async move { api.send(keyed("k", &run())).await }
    });
    gate.arrived(1).await;
    let second = api.send(keyed("k", &run())).await;
    second.problem(409, "idempotency-key-in-use");
    assert_eq!(second.header("retry-after"), Some("1"));
    gate.open();
    assert_eq!(first.await.expect("an answer").status, 201);
    assert_eq!(api.send(keyed("k", &run())).await.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn a_client_that_disconnects_cancels_nothing() {
    let api = Arc::new(Api::default());
    let gate = Arc::new(Gate::new());
    api.store.next(Trouble::Wait(gate.clone()));
    let request = tokio::spawn({
        let api = api.clone();
        async move { api.send(keyed("k", &run())).await }
    });
    gate.arrived(1).await;
    request.abort();
    assert!(request.await.is_err_and(|e| e.is_cancelled()));
    gate.open();
    api.orchestrator.close().await;
    assert_eq!(api.store.inner.outbox().len(), 1);
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_by_the_key() {
    let api = Api::default();
    api.store.next(Trouble::LoseAnswer);
    let lost = api.send(keyed("k", &run())).await;
    let problem = lost.problem(503, "outcome-unknown");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("same Idempotency-Key")));
    assert!(lost.header("retry-after").is_some());
    let again = api.send(keyed("k", &run())).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(api.store.inner.outbox().len(), 1);
}

#[tokio::test]
async fn reading_a_notification_takes_a_key_too() {
    let api = Api::default();
    let user = api.create(json!({})).await["user_id"].as_str().expect("a user").to_owned();
    let list = api.get(&format!("/users/{user}/notifications")).await.json();
    let id = list["items"][0]["id"].as_str().expect("a notification").to_owned();
    let post = || {
        let post = request(Method::POST, &format!("/users/{user}/notifications/{id}/read"));
        with(post.body(Body::empty()).expect("a request"), "idempotency-key", "k")
    };
    let (first, again) = (api.send(post()).await, api.send(post()).await);
    assert_eq!((first.status, first.json()["read_at"].is_string()), (200, true), "{}", first.text());
    assert_eq!((first.body, again.header("idempotent-replayed")), (again.body.clone(), Some("true")));
}
