//! Creating, reading, changing and deleting.

use axum::{body::Body, http::Method};
use serde_json::{Value, json};

use crate::api::{Api, NOBODY, USER, json_request, request, run, run_with, with};

#[tokio::test]
async fn a_created_activity_is_answered_as_stored() {
    let api = Api::default();
    let answer = api
        .post(
            "/activities",
            &run_with(
                json!({ "type": "Trail Run", "distance_km": 10.5, "title": " Morning  run ", "tags": ["z", " a "] }),
            ),
        )
        .await;
    assert_eq!(answer.status, 201);
    let body = answer.json();
    let id = body["id"].as_str().expect("an id");
    assert_eq!(answer.header("location"), Some(&*format!("/activities/{id}")));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let expected = json!({
        "id": id, "user_id": USER, "type": "trail_run", "title": "Morning  run", "description": null,
        "duration_minutes": 50, "distance_km": 10.5, "calories_burned": null, "notes": null, "tags": ["z", "a"],
        "activity_date": "2026-03-12T06:30:00Z", "version": 1,
        "created_at": "2026-03-12T18:00:00Z", "updated_at": "2026-03-12T18:00:00Z",
    });
    assert_eq!(body, expected);
    let read = api.get(&format!("/activities/{id}")).await;
    assert_eq!((read.status, read.json()), (200, expected));
    assert_eq!(read.header("etag"), Some("\"1\""));
}

#[tokio::test]
async fn text_is_stored_verbatim_whatever_it_looks_like() {
    let api = Api::default();
    let title = "'; DROP TABLE activities; -- %_\\ \" 🏃 ${jndi}";
    let notes = "line one\nline two\ttab <script>alert(1)</script>";
    let body = api.create(json!({ "title": title, "notes": notes })).await;
    assert_eq!((body["title"].as_str(), body["notes"].as_str()), (Some(title), Some(notes)));
}

#[tokio::test]
async fn tags_are_always_answered_and_replaced_as_a_whole() {
    let api = Api::default();
    for none in [json!({}), json!({ "tags": null }), json!({ "tags": [] })] {
        assert_eq!(api.create(none).await["tags"], json!([]));
    }
    let body = api.create(json!({ "tags": ["race", "Race", "avec été", "\"🏃\""] })).await;
    assert_eq!(body["tags"], json!(["race", "Race", "avec été", "\"🏃\""]));
    let path = format!("/activities/{}", body["id"].as_str().expect("an id"));
    for (patch, tags, version) in [
        (json!({ "title": "Evening run" }), body["tags"].clone(), "\"2\""),
        (json!({ "tags": ["b", "a"] }), json!(["b", "a"]), "\"3\""),
        (json!({ "tags": ["a", "b"] }), json!(["a", "b"]), "\"4\""),
        (json!({ "tags": ["a", "b"] }), json!(["a", "b"]), "\"4\""),
        (json!({ "tags": null }), json!([]), "\"5\""),
        (json!({ "tags": [] }), json!([]), "\"5\""),
    ] {
        let request = with(json_request(Method::PATCH, &path, &patch), "if-match", "*");
        let answer = api.send(request).await;
        assert_eq!((answer.status, answer.header("etag")), (200, Some(version)), "{patch}: {}", answer.text());
        assert_eq!(answer.json()["tags"], tags, "{patch}");
        assert_eq!(api.get(&path).await.json()["tags"], tags, "{patch}");
    }
}

#[tokio::test]
async fn a_date_means_its_midnight_and_whole_numbers_may_have_a_point() {
    let api = Api::default();
    let body = api.create(json!({ "activity_date": "2026-03-12", "duration_minutes": 45.0, "distance_km": 7 })).await;
    assert_eq!(body["activity_date"], "2026-03-12T00:00:00Z");
    assert_eq!((&body["duration_minutes"], &body["distance_km"]), (&json!(45), &json!(7.0)));
}

#[tokio::test]
async fn a_merge_patch_changes_removes_and_leaves_alone() {
    let api = Api::default();
    let body = api.create(json!({ "notes": "private", "distance_km": 10 })).await;
    let path = format!("/activities/{}", body["id"].as_str().expect("an id"));
    let patch = json!({ "title": "Evening run", "notes": null });
    for media in ["application/merge-patch+json", "application/json; charset=utf-8"] {
        let patch = request(Method::PATCH, &path)
            .header("content-type", media)
            .header("if-match", "*")
            .body(Body::from(patch.to_string()))
            .expect("a request");
        let answer = api.send(patch).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // The second time nothing changes, and the version stays.
        assert_eq!(answer.header("etag"), Some("\"2\""));
        let after = answer.json();
        assert_eq!((&after["title"], &after["notes"]), (&json!("Evening run"), &Value::Null));
        assert_eq!((&after["distance_km"], &after["version"]), (&json!(10.0), &json!(2)));
    }
}

#[tokio::test]
async fn a_patch_refuses_null_where_a_value_is_required_and_what_cannot_change() {
    let api = Api::default();
    let body = api.create(json!({})).await;
    let path = format!("/activities/{}", body["id"].as_str().expect("an id"));
    let patch = json!({ "title": null, "user_id": NOBODY, "version": 9, "colour": "red", "duration_minutes": 0 });
    let answer = api.send(with(json_request(Method::PATCH, &path, &patch), "if-match", "\"1\"")).await;
    answer.problem(422, "validation");
    let mut fields = answer.bad_fields();
    fields.sort();
    assert_eq!(fields, ["colour", "duration_minutes", "title", "user_id", "version"]);
    assert_eq!(api.get(&path).await.json(), body);
}

#[tokio::test]
async fn a_deleted_activity_is_gone() {
    let api = Api::default();
    let body = api.create(json!({})).await;
    let path = format!("/activities/{}", body["id"].as_str().expect("an id"));
    let delete = || with(request(Method::DELETE, &path).body(Body::empty()).expect("a request"), "if-match", "\"1\"");
    let answer = api.send(delete()).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    api.get(&path).await.problem(404, "not-found");
    api.send(delete()).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_is_not_there_is_404_and_what_is_no_id_is_400() {
    let api = Api::default();
    let problem = api.get(&format!("/activities/{NOBODY}")).await.problem(404, "not-found");
    assert!(problem["detail"].as_str().expect("a detail").contains(NOBODY));
    assert_eq!(problem["instance"], format!("/activities/{NOBODY}"));
    let bad = api.get("/activities/7").await;
    bad.problem(400, "invalid-parameter");
    assert_eq!(bad.bad_fields(), ["id"]);
    api.get("/activities/%ff").await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn the_request_id_and_trace_reach_the_events() {
    let api = Api::default();
    let id = "01929d5e-0000-7000-8000-00000000abcd";
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let post = with(json_request(Method::POST, "/activities", &run()), "x-request-id", id);
    let answer = api.send(with(with(post, "traceparent", trace), "tracestate", "a=1")).await;
    assert_eq!(answer.header("x-request-id"), Some(id));
    let events = api.store.inner.outbox();
    let context = events[0].trace.as_ref().expect("a trace");
    assert_eq!(events[0].correlation_id.to_string(), id);
    assert_eq!((context.traceparent(), context.tracestate()), (trace, Some("a=1")));
    let other = with(json_request(Method::POST, "/activities", &run()), "x-request-id", "<script>");
    let made = api.send(other).await;
    assert!(made.header("x-request-id").is_some_and(|made| made.len() == 36));
}
