//! Dead letters and parked events: looking at them, replaying and discarding.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    ports::{Addressed, AfterDeadLetter, Clock, DeathReason, Failures, ParkingStore, StorageErrorKind},
    testing::{FakeClock, MemoryFailures, broker::event},
};
use axum::{body::Body, http::Method};
use serde_json::{Value, json};

use crate::api::{Api, json_request, request};

fn addressed(handler: &str, subject: &str, sequence: u64) -> Addressed {
    let event = Arc::new(event("thing.made", subject, sequence));
    Addressed { handler: handler.to_owned(), group: "g".to_owned(), event }
}

fn failures(error: &str) -> Failures {
    let at = FakeClock::default().now();
    Failures { attempts: 3, first_at: at, last_at: at, error: error.to_owned() }
}

async fn bury(api: &Api, handler: &str, subject: &str, reason: DeathReason) {
    let (addressed, failures) = (addressed(handler, subject, 1), failures("no figures: connection refused"));
    let buried = api.failures().bury(&addressed, reason, &failures, AfterDeadLetter::Continue).await;
    assert!(buried.expect("memory takes it"));
}

/// With dead letters 1 to `count`, each of an aggregate of its own.
async fn with(count: u32) -> Api {
    let api = Api::default();
    for n in 1..=count {
        bury(&api, "figures", &format!("thing-{n}"), DeathReason::Exhausted).await;
    }
    api
}

fn ids(page: &Value) -> Vec<i64> {
    page["items"].as_array().expect("items").iter().map(|item| item["id"].as_i64().expect("a number")).collect()
}

async fn post(api: &Api, path: &str) -> crate::api::Answer {
    api.send(request(Method::POST, path).body(Body::empty()).expect("a request")).await
}

/// Has the first event of the one lane die once more.
async fn kill_again(store: &MemoryFailures, error: &str) {
    let now = FakeClock::default().now();
    let lanes = store.claim(&["figures"], now, Duration::from_secs(9), 1).await.expect("a claim");
    let place = store.events(&lanes[0], 1).await.expect("events")[0].place;
    let failures = failures(error);
    let after = AfterDeadLetter::Continue;
    store.give_up(&lanes[0], place, DeathReason::Permanent, &failures, after).await.expect("a death");
}

#[tokio::test]
async fn dead_letters_are_listed_newest_first_page_by_page() {
    let api = with(5).await;
    let first = api.get("/dead-letters?limit=2").await.json();
    assert_eq!(ids(&first), [5, 4]);
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = api.get(&format!("/dead-letters?limit=3&cursor={cursor}")).await.json();
    assert_eq!((ids(&second), &second["next_cursor"]), (vec![3, 2, 1], &Value::Null));
    let item = &first["items"][0];
    assert_eq!(
        (&item["state"], &item["reason"], &item["handler"]),
        (&json!("dead"), &json!("exhausted"), &json!("figures"))
    );
    assert_eq!(
        (&item["event_type"], &item["subject"], &item["deaths"]),
        (&json!("thing.made"), &json!("thing-5"), &json!(1))
    );
    assert_eq!(item["error"], "no figures: connection refused");
    assert!(item.get("event").is_none(), "a list does not carry whole events");
}

#[tokio::test]
async fn filters_narrow() {
    const ID: &str = "01929d5e-0000-7000-8000-000000000001";
    let api = with(2).await;
    bury(&api, "other", &format!("activity-{ID}"), DeathReason::Undecodable).await;
    assert_eq!(post(&api, "/dead-letters/2/discard").await.status, 200);
    for (query, expected) in [
        ("handler=other".to_owned(), vec![3]),
        ("event=thing.made".to_owned(), vec![3, 2, 1]),
        ("event=thing.lost".to_owned(), vec![]),
        (format!("subject={ID}"), vec![3]),
        (format!("subject=activity-{ID}"), vec![3]),
        ("reason=exhausted".to_owned(), vec![2, 1]),
        ("state=dead".to_owned(), vec![3, 1]),
        ("state=discarded&reason=exhausted".to_owned(), vec![2]),
        ("from=2026-03-12T18:00:00Z".to_owned(), vec![3, 2, 1]),
        ("to=2026-03-12T18:00:00Z".to_owned(), vec![]),
    ] {
        assert_eq!(ids(&api.get(&format!("/dead-letters?{query}")).await.json()), expected, "{query}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_list_is_named() {
    let api = Api::default();
    let answer =
        api.get("/dead-letters?handler=&reason=bad&state=gone&from=2026-03-13&to=2026-03-12&cursor=x&x=y").await;
    answer.problem(400, "invalid-parameter");
    assert_eq!(answer.bad_fields(), ["handler", "reason", "state", "from", "cursor", "x"]);
    let answer = api.get("/parked?subject=%00").await;
    answer.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn one_is_shown_with_its_event_and_all_its_deaths() {
    let api = with(1).await;
    assert_eq!(post(&api, "/dead-letters/1/replay").await.status, 200);
    kill_again(&api.failures(), "still no figures").await;
    let letter = api.get("/dead-letters/1").await.json();
    assert_eq!(
        (&letter["state"], &letter["reason"], &letter["deaths"]),
        (&json!("dead"), &json!("permanent"), &json!(2))
    );
    assert_eq!(letter["error"], "still no figures");
    let earlier = &letter["earlier_deaths"];
    assert_eq!((&earlier[0]["reason"], &earlier[0]["attempts"]), (&json!("exhausted"), &json!(3)));
    assert_eq!(earlier[0]["error"], "no figures: connection refused");
    assert_eq!((&letter["event"]["specversion"], &letter["event"]["type"]), (&json!("1.0"), &json!("thing.made")));
    api.get("/dead-letters/2").await.problem(404, "not-found");
    for bad in ["0", "-1", "x", "99999999999999999999"] {
        api.get(&format!("/dead-letters/{bad}")).await.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn one_is_replayed_or_discarded_once() {
    let api = with(2).await;
    let replayed = post(&api, "/dead-letters/1/replay").await;
    assert_eq!((replayed.status, &replayed.json()["state"]), (200, &json!("replaying")));
    let discarded = post(&api, "/dead-letters/2/discard").await;
    assert_eq!((discarded.status, &discarded.json()["state"]), (200, &json!("discarded")));
    for path in ["/dead-letters/1/replay", "/dead-letters/1/discard"] {
        let problem = post(&api, path).await.problem(409, "dead-letter-not-dead");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains("is being replayed")), "{problem}");
    }
    post(&api, "/dead-letters/2/replay").await.problem(409, "dead-letter-not-dead");
    post(&api, "/dead-letters/3/replay").await.problem(404, "not-found");
    let body = json_request(Method::POST, "/dead-letters/1/replay", &json!({ "all": true }));
    api.send(body).await.problem(422, "validation");
}

#[tokio::test]
async fn many_are_replayed_request_by_request() {
    let api = with(5).await;
    bury(&api, "other", "thing-9", DeathReason::Exhausted).await;
    let ask = |more: Value| {
        let mut body = json!({ "handler": "figures" });
        more.as_object().expect("an object").iter().for_each(|(name, value)| body[name] = value.clone());
        body
    };
    let dry = api.post("/dead-letters/replay", &ask(json!({ "dry_run": true }))).await.json();
    assert_eq!((&dry["matched"], &dry["done"], &dry["dry_run"]), (&json!(5), &json!(0), &json!(true)));
    let first: Vec<_> = dry["first"].as_array().expect("letters").iter().map(|l| l["id"].clone()).collect();
    assert_eq!((first, &dry["next_cursor"]), (vec![json!(1), json!(2), json!(3), json!(4), json!(5)], &Value::Null));
    let first = api.post("/dead-letters/replay", &ask(json!({ "limit": 2 }))).await.json();
    assert_eq!((&first["action"], &first["done"], &first["remaining"]), (&json!("replay"), &json!(2), &json!(3)));
    let rest = api.post("/dead-letters/replay", &ask(json!({ "cursor": first["next_cursor"] }))).await.json();
    assert_eq!((&rest["done"], &rest["remaining"], &rest["next_cursor"]), (&json!(3), &json!(0), &Value::Null));
    assert_eq!(ids(&api.get("/dead-letters?state=dead").await.json()), [6]);
    let again = api.post("/dead-letters/replay", &ask(json!({}))).await.json();
    assert_eq!((&again["matched"], &again["done"]), (&json!(0), &json!(0)));
    let all = api.post("/dead-letters/discard", &json!({ "all": true })).await.json();
    assert_eq!((&all["action"], &all["done"]), (&json!("discard"), &json!(1)));
}

#[tokio::test]
async fn many_are_only_acted_on_when_the_request_says_which() {
    let api = with(1).await;
    for (body, fields) in [
        (json!({}), vec!["all"]),
        (json!({ "dry_run": true }), vec!["all"]),
        (json!({ "all": false }), vec!["all"]),
        (json!({ "all": true, "handler": "figures" }), vec!["all"]),
        (json!({ "handler": null }), vec!["handler"]),
        (
            json!({ "handler": "", "reason": "bad", "limit": 0, "cursor": "x" }),
            vec!["handler", "reason", "limit", "cursor"],
        ),
        (json!({ "state": "dead", "all": true }), vec!["state"]),
        (json!({ "handlers": "figures", "all": true }), vec!["handlers"]),
        (json!({ "from": "2026-03-13", "to": "2026-03-12" }), vec!["from"]),
        (json!({ "all": "yes" }), vec!["all"]),
    ] {
        let answer = api.post("/dead-letters/discard", &body).await;
        answer.problem(422, "validation");
        assert_eq!(answer.bad_fields(), fields, "{body}");
    }
    assert_eq!(ids(&api.get("/dead-letters?state=dead").await.json()), [1]);
}

#[tokio::test]
async fn a_database_that_fails_on_the_way_is_503_and_going_on_is_possible() {
    let api = with(3).await;
    api.store.inner.fail_next("replay dead letter", StorageErrorKind::Unavailable);
    let answer = api.post("/dead-letters/replay", &json!({ "all": true })).await;
    let problem = answer.problem(503, "unavailable");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("Send it again")), "{problem}");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(api.post("/dead-letters/replay", &json!({ "all": true })).await.status, 200);
    assert!(ids(&api.get("/dead-letters?state=dead").await.json()).is_empty());
}

#[tokio::test]
async fn parked_events_are_listed_in_their_order() {
    let api = Api::default();
    let (store, due) = (api.failures(), FakeClock::default().now());
    store.park(&addressed("figures", "thing-1", 1), Some(&failures("no figures")), due).await.expect("parked");
    store.park(&addressed("figures", "thing-1", 2), None, due).await.expect("parked");
    store.park(&addressed("other", "thing-2", 1), None, due).await.expect("parked");
    let first = api.get("/parked?limit=2").await.json();
    let items = first["items"].as_array().expect("items");
    assert_eq!((&items[0]["attempts"], &items[0]["error"]), (&json!(3), &json!("no figures")));
    assert_eq!((&items[1]["attempts"], &items[1]["error"]), (&json!(0), &Value::Null));
    let cursor = first["next_cursor"].as_str().expect("more");
    let second = api.get(&format!("/parked?cursor={cursor}")).await.json();
    assert_eq!((&second["items"][0]["handler"], &second["next_cursor"]), (&json!("other"), &Value::Null));
    for (query, count) in [("handler=figures", 2), ("subject=thing-2", 1), ("event=thing.lost", 0)] {
        let page = api.get(&format!("/parked?{query}")).await.json();
        assert_eq!(page["items"].as_array().map(Vec::len), Some(count), "{query}");
    }
    let dead = api.get(&format!("/dead-letters?cursor={cursor}")).await;
    dead.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn health_counts_what_has_failed() {
    let api = with(3).await;
    let store = api.failures();
    let held = addressed("figures", "thing-held", 1);
    store.bury(&held, DeathReason::Permanent, &failures("no"), AfterDeadLetter::Hold).await.expect("buried");
    assert_eq!(post(&api, "/dead-letters/1/replay").await.status, 200);
    let health = api.get("/health").await.json();
    assert_eq!(health["failures"], json!({ "dead_letters": 3, "parked_events": 1, "held_lanes": 1 }));
    assert!(api.get("/health/ready").await.json().get("failures").is_none());
    api.store.inner.fail_next("count dead letters", StorageErrorKind::Unavailable);
    let health = api.get("/health").await;
    assert_eq!((health.status, health.json().get("failures")), (200, None));
}
