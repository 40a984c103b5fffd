//! What is wrong is named, all of it, and nothing is stored.

use activelog_interfaces::http::HttpOptions;
use axum::{
    body::Body,
    http::{Method, Request},
};
use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};

use crate::api::{Answer, Api, USER, json_request, request, run, run_with};

/// The rule the problem tells for this field.
fn rule(answer: &Answer, field: &str) -> String {
    let problem = answer.problem(422, "validation");
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let error = errors.iter().find(|e| e["field"] == field).unwrap_or_else(|| panic!("no {field} in {problem}"));
    error["rule"].as_str().expect("a rule").to_owned()
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let api = Api::default();
    let body = json!({
        "user_id": 7, "type": "läuft", "title": "", "duration_minutes": "50", "activity_date": "yesterday",
        "description": ["no"], "distance_km": -1, "calories_burned": true, "notes": {}, "tags": "race", "colour": "red", "id": USER,
    });
    let answer = api.post("/activities", &body).await;
    let problem = answer.problem(422, "validation");
    let mut fields = answer.bad_fields();
    fields.sort();
    let mut all: Vec<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    all.sort_unstable();
    assert_eq!(fields, all);
    for error in problem["errors"].as_array().expect("errors") {
        assert!(error["rule"].is_string() && error["value"].is_string(), "{error}");
    }
    assert!(api.store.inner.outbox().is_empty());
}

#[tokio::test]
async fn missing_fields_are_named() {
    let answer = Api::default().post("/activities", &json!({ "title": null })).await;
    answer.problem(422, "validation");
    assert_eq!(answer.bad_fields(), ["user_id", "type", "title", "duration_minutes", "activity_date"]);
}

#[tokio::test]
async fn values_out_of_bounds_are_told_the_bounds() {
    let api = Api::default();
    for (field, value, expected) in [
        ("duration_minutes", json!(0), "1 to 43200"),
        ("duration_minutes", json!(45.5), "whole number"),
        ("duration_minutes", json!(99_999_999_999_i64), "1 to 43200"),
        ("duration_minutes", json!("45"), "must be a number"),
        ("distance_km", json!(100_001), "0 to 100000"),
        ("calories_burned", json!(-1), "0 to 100000"),
        ("title", json!("x".repeat(201)), "1 to 200"),
        ("title", json!("bell\u{7}"), "U+0007"),
        ("title", json!("two\nlines"), "U+000A"),
        ("notes", json!("nul\u{0}"), "U+0000"),
        ("tags", json!("race"), "list of strings"),
        ("tags", json!({ "0": "race" }), "list of strings"),
        ("tags", json!(["race", 7]), "list of strings"),
        ("tags", json!(["race", null]), "list of strings"),
        ("tags", json!(["race", " "]), "each tag must be 1 to 40 characters, has 0"),
        ("tags", json!(["x".repeat(41)]), "each tag must be 1 to 40 characters, has 41"),
        ("tags", json!(["bell\u{7}"]), "U+0007"),
        ("tags", json!(["a,b"]), "each tag must not hold a comma"),
        ("tags", json!(["a", "b", "a "]), "must not hold a tag twice"),
        ("tags", json!((0..21).map(|n| n.to_string()).collect::<Vec<_>>()), "at most 20 tags"),
        ("type", json!("run; drop"), "letters, digits"),
        ("user_id", json!("nobody"), "UUID"),
        ("user_id", json!("{01929d5e-0000-7000-8000-0000000000aa}"), "UUID"),
        ("activity_date", json!("0001-01-01"), "between 1900"),
        ("activity_date", json!("9999-12-01T23:59:59Z"), "between 1900"),
        ("activity_date", json!("2026-02-30"), "RFC 3339"),
        ("activity_date", json!("2026-03-12T06:30:00"), "RFC 3339"),
        ("activity_date", json!(1_773_338_400), "string"),
    ] {
        let answer = api.post("/activities", &run_with(json!({ field: value }))).await;
        let rule = rule(&answer, field);
        assert!(rule.contains(expected), "{field} = {value}: {rule}");
        assert_eq!(answer.bad_fields(), [field]);
    }
}

#[tokio::test]
async fn numbers_beyond_any_number_name_their_field() {
    let api = Api::default();
    let huge = "9".repeat(400);
    for (field, text) in [
        ("distance_km", "1e400"),
        ("distance_km", &*huge),
        ("duration_minutes", "1e400"),
        ("duration_minutes", "-1e400"),
        ("calories_burned", "18446744073709551616"),
    ] {
        let body = run().to_string().replacen('{', &format!(r#"{{"{field}":{text},"#), 1);
        let body = if field == "duration_minutes" { body.replace(r#""duration_minutes":50,"#, "") } else { body };
        let answer = api.post_raw(body).await;
        assert!(rule(&answer, field).contains("must be"), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_json_is_400_with_its_place() {
    let api = Api::default();
    for body in ["{\n  \"title\": }", "{", "{\"distance_km\": NaN}", "nope", "{\"a\": 1} trailing", "\u{feff}{}"] {
        let problem = api.post_raw(body).await.problem(400, "malformed");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.contains("line ") && detail.contains("column "), "{detail}");
    }
    api.post_raw(&b"{\"title\": \"\xff\"}"[..]).await.problem(400, "malformed");
    api.post_raw("  ").await.problem(400, "malformed");
}

#[tokio::test]
async fn json_that_is_no_object_is_422() {
    let api = Api::default();
    for body in ["[]", "7", "null", "\"text\"", &"[".repeat(60_000)] {
        api.post_raw(body.to_owned()).await.problem(422, "validation");
    }
}

#[tokio::test]
async fn deep_nesting_is_an_error_of_its_field() {
    let api = Api::default();
    let (open, close) = ("[".repeat(30_000), "]".repeat(30_000));
    let answer = api.post_raw(run().to_string().replace("\"Morning run\"", &format!("{open}{close}"))).await;
    assert_eq!(rule(&answer, "title"), "must be a string");
}

#[tokio::test]
async fn a_field_given_twice_is_refused() {
    let answer = Api::default().post_raw(run().to_string().replacen('{', r#"{"title":"other","#, 1)).await;
    assert_eq!(rule(&answer, "title"), "must not be given twice");
}

#[tokio::test]
async fn half_a_surrogate_is_no_text() {
    let answer = Api::default().post_raw(run().to_string().replace("Morning run", "\\ud83c")).await;
    assert!(rule(&answer, "title").contains("Unicode"));
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413_however_it_is_sent() {
    let api = Api::default();
    let large = Bytes::from(run_with(json!({ "notes": "x".repeat(10 * 1024 * 1024) })).to_string());
    let announced = large.len().to_string();
    let post = || request(Method::POST, "/activities").header("content-type", "application/json");
    let whole = post().header("content-length", &announced).body(Body::from(large.clone()));
    let frames: Vec<_> = large.chunks(16 * 1024).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect();
    let chunked = post().body(Body::from_stream(stream::iter(frames)));
    let expecting = post().header("content-length", &announced).header("expect", "100-continue");
    // Were this body read, the request would never end.
    let expecting = expecting.body(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()));
    for request in [whole, chunked, expecting] {
        let answer = api.send(request.expect("a request")).await;
        answer.problem(413, "body-too-large");
        assert_eq!(answer.header("connection"), Some("close"));
    }
    assert!(api.store.inner.outbox().is_empty());
}

#[tokio::test]
async fn a_body_in_pieces_is_read_whole() {
    let api = Api::default();
    let text = run().to_string();
    let pieces: Vec<_> =
        text.as_bytes().chunks(7).map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c))).collect();
    assert_eq!(api.post_raw(Body::from_stream(stream::iter(pieces))).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_408() {
    let api = Api::default();
    let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    api.post_raw(never).await.problem(408, "body-timeout");
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let api = Api::default();
    let frames = [Ok(Bytes::from(run().to_string())), Err(std::io::Error::other("gone"))];
    api.post_raw(Body::from_stream(stream::iter(frames))).await.problem(400, "malformed");
    assert!(api.store.inner.outbox().is_empty());
}

#[tokio::test]
async fn a_body_where_none_belongs_is_refused() {
    let api = Api::default();
    let path = format!("/users/{USER}/notifications/{USER}/read");
    api.post(&path, &json!({ "read": true })).await.problem(422, "validation");
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once() {
    let api = Api::default();
    for (query, fields) in [
        ("user_id=7&type=%F0%9F%8F%83&from=then&to=now", vec!["user_id", "type", "from", "to"]),
        ("limit=0", vec!["limit"]),
        ("limit=201", vec!["limit"]),
        ("limit=ten", vec!["limit"]),
        ("cursor=nonsense", vec!["cursor"]),
        ("from=2026-03-02&to=2026-03-01", vec!["from"]),
        ("colour=red&limit=0", vec!["limit", "colour"]),
        ("limit=1&limit=2", vec!["limit"]),
        ("user_id=", vec!["user_id"]),
        ("user_id=&type&from=&to=&cursor=&limit=", vec!["user_id", "type", "from", "to", "cursor", "limit"]),
    ] {
        let answer = api.get(&format!("/activities?{query}")).await;
        answer.problem(400, "invalid-parameter");
        assert_eq!(answer.bad_fields(), fields, "{query}");
    }
    for path in [format!("/users/{USER}/statistics?period="), "/leaderboard?start=".into(), "/events?limit=".into()] {
        let answer = api.get(&path).await;
        let detail = answer.problem(400, "invalid-parameter")["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.ends_with(" must not be empty; leave it out instead."), "{detail}");
    }
    let on_post = api.post("/activities?dry_run=true", &run()).await;
    on_post.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let api = Api::default();
    let problem = api.get("/nowhere").await.problem(404, "not-found");
    assert_eq!(problem["instance"], "/nowhere");
    let put = api.send(request(Method::PUT, "/activities").body(Body::empty()).expect("a request")).await;
    put.problem(405, "method-not-allowed");
    let allow: Vec<&str> = put.header("allow").expect("Allow").split(',').map(str::trim).collect();
    assert!(allow.contains(&"GET") && allow.contains(&"POST"), "{allow:?}");
}

#[tokio::test]
async fn a_bad_request_never_gets_a_large_answer() {
    let api = Api::new(HttpOptions { body_limit: 1024 * 1024, ..HttpOptions::default() });
    let keys: Vec<String> = (0..70_000).map(|n| format!(r#""k{n}":1"#)).collect();
    let unknown = api.post_raw(format!("{{{}}}", keys.join(","))).await;
    // The required fields are missing as well.
    let detail = unknown.problem(422, "validation")["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.contains("And 69985 more. Known are user_id, type"), "{detail}");
    assert_eq!(detail.matches("Known are").count(), 1, "{detail}");
    let twice = api.post_raw(format!("{{{}\"title\":2}}", r#""title":1,"#.repeat(50_000))).await;
    twice.problem(422, "validation");
    let query = api.get(&format!("/activities?{}", "a&".repeat(10_000))).await;
    query.problem(400, "invalid-parameter");
    for answer in [unknown, twice, query] {
        assert_eq!(answer.bad_fields().len(), 20);
        assert!(answer.body.len() < 5_000, "{}", answer.body.len());
    }
    let path = api.get(&format!("/{}", "x".repeat(20_000))).await;
    let detail = path.problem(404, "not-found")["detail"].as_str().expect("a detail").len();
    assert!(detail < 5_000, "{detail}");
}

#[tokio::test]
async fn values_from_outside_are_shown_short_and_escaped() {
    let api = Api::default();
    let name = format!("\u{1b}[31m{}", "x".repeat(10_000));
    let answer = api.post("/activities", &run_with(json!({ &name: "y".repeat(10_000) }))).await;
    answer.problem(422, "validation");
    assert!(answer.body.len() < 1_000, "{}", answer.body.len());
    assert!(!answer.text().contains("\\u001b"), "{}", answer.text());
    let get: Request<Body> = json_request(Method::GET, "/activities?limit=%1b%5b31m", &Value::Null);
    assert!(!api.send(get).await.text().contains("\\u001b["));
}
