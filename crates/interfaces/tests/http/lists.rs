//! Lists: filters, pages, cursors.

use std::collections::BTreeSet;

use axum::{body::Body, http::Method};
use serde_json::{Value, json};

use crate::api::{Api, NOBODY, USER, request};

/// All items of a list, page by page.
async fn all(api: &Api, path: &str) -> (Vec<Value>, usize) {
    let (mut items, mut pages, mut cursor) = (Vec::new(), 0, None::<String>);
    loop {
        let next = cursor.map(|c| format!("&cursor={c}")).unwrap_or_default();
        let answer = api.get(&format!("{path}{next}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let page = answer.json();
        items.extend(page["items"].as_array().expect("items").iter().cloned());
        pages += 1;
        match &page["next_cursor"] {
            Value::String(next) => cursor = Some(next.clone()),
            Value::Null => return (items, pages),
            other => panic!("next_cursor is {other}"),
        }
    }
}

#[tokio::test]
async fn pages_hold_every_activity_once_newest_first() {
    let api = Api::default();
    for day in [3, 1, 2, 2, 2] {
        api.create(json!({ "activity_date": format!("2026-03-0{day}") })).await;
    }
    for (limit, expected) in [(1, 5), (2, 3), (5, 1), (200, 1)] {
        let (items, pages) = all(&api, &format!("/activities?limit={limit}")).await;
        assert_eq!(pages, expected);
        let days: Vec<&str> = items.iter().map(|i| &i["activity_date"].as_str().expect("a date")[..10]).collect();
        assert_eq!(days, ["2026-03-03", "2026-03-02", "2026-03-02", "2026-03-02", "2026-03-01"]);
        let ids: BTreeSet<String> = items.iter().map(|i| i["id"].to_string()).collect();
        assert_eq!(ids.len(), 5);
    }
}

#[tokio::test]
async fn filters_narrow() {
    let api = Api::default();
    api.create(json!({ "activity_date": "2026-03-01", "type": "ride" })).await;
    api.create(json!({ "activity_date": "2026-03-02T10:00:00Z" })).await;
    api.create(json!({ "activity_date": "2026-03-03", "user_id": NOBODY })).await;
    for (query, count) in [
        (format!("user_id={USER}"), 2),
        (format!("user_id={NOBODY}&type=ride"), 0),
        ("type=Ride".to_owned(), 1),
        ("from=2026-03-02".to_owned(), 2),
        ("to=2026-03-02T10:00:00Z".to_owned(), 1),
        ("from=2026-03-02T11:00:00%2B01:00&to=2026-03-03".to_owned(), 1),
        ("from=2026-03-02T11:00:00+01:00&to=2026-03-03".to_owned(), 1),
        ("from=1800-01-01&to=2999-01-01".to_owned(), 3),
    ] {
        assert_eq!(all(&api, &format!("/activities?{query}")).await.0.len(), count, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let api = Api::default();
    for _ in 0..2 {
        api.create(json!({})).await;
    }
    let page = api.get("/activities?limit=1").await.json();
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    for path in [format!("/users/{USER}/notifications"), "/events".to_owned(), "/leaderboard".to_owned()] {
        let answer = api.get(&format!("{path}?cursor={cursor}")).await;
        answer.problem(400, "invalid-parameter");
        assert_eq!(answer.bad_fields(), ["cursor"], "{path}");
    }
}

#[tokio::test]
async fn the_journal_is_read_to_its_end_and_resumed() {
    let api = Api::default();
    for _ in 0..5 {
        api.create(json!({})).await;
    }
    api.publish().await;
    let (items, pages) = all(&api, "/events?limit=2").await;
    assert_eq!((items.len(), pages), (5, 3));
    for item in &items {
        assert!(item["partition"].as_u64().is_some_and(|p| p < 16) && item["position"].as_u64() >= Some(1), "{item}");
        assert!(item["published_at"].is_string(), "{item}");
        let event = &item["event"];
        assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("activity.created")));
        assert!(event["data"]["activity"]["activity_id"].is_string(), "{event}");
    }
    let last = api.get("/events").await.json();
    assert_eq!(last["next_cursor"], Value::Null);
    let resume = last["resume_cursor"].as_str().expect("a cursor").to_owned();
    let nothing = api.get(&format!("/events?cursor={resume}")).await.json();
    assert_eq!((&nothing["items"], &nothing["resume_cursor"]), (&json!([]), &json!(resume)));
    api.create(json!({ "title": "one more" })).await;
    api.publish().await;
    let (items, _) = all(&api, &format!("/events?limit=7&cursor={resume}")).await;
    assert_eq!(items.len(), 1);
    assert_eq!(items[0]["event"]["data"]["activity"]["title"], "one more");
}

#[tokio::test]
async fn long_lists_are_compressed_for_those_who_ask() {
    let api = Api::default();
    for _ in 0..10 {
        api.create(json!({ "notes": "x".repeat(500) })).await;
    }
    let get = |path| request(Method::GET, path).header("accept-encoding", "gzip").body(Body::empty());
    let long = api.send(get("/activities").expect("a request")).await;
    assert_eq!((long.status, long.header("content-encoding")), (200, Some("gzip")));
    let short = api.send(get("/activities?type=swim").expect("a request")).await;
    assert_eq!((short.status, short.header("content-encoding")), (200, None));
    assert_eq!(api.get("/activities").await.header("content-encoding"), None);
}
