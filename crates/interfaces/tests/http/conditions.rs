//! Versions as entity tags: If-Match and If-None-Match.

use axum::{body::Body, http::Method};
use serde_json::json;

use crate::api::{Answer, Api, NOBODY, json_request, request, with};

async fn patch(api: &Api, path: &str, tags: Option<&str>, title: &str) -> Answer {
    let mut patch = json_request(Method::PATCH, path, &json!({ "title": title }));
    if let Some(tags) = tags {
        patch = with(patch, "if-match", tags);
    }
    api.send(patch).await
}

async fn created(api: &Api) -> String {
    format!("/activities/{}", api.create(json!({})).await["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn a_change_needs_if_match() {
    let api = Api::default();
    let path = created(&api).await;
    patch(&api, &path, None, "x").await.problem(428, "precondition-required");
    let delete = request(Method::DELETE, &path).body(Body::empty()).expect("a request");
    api.send(delete).await.problem(428, "precondition-required");
    let broken = patch(&api, &path, Some("3"), "x").await;
    broken.problem(400, "invalid-parameter");
    assert_eq!(broken.bad_fields(), ["If-Match"]);
}

#[tokio::test]
async fn a_stale_tag_is_412_with_the_current_version() {
    let api = Api::default();
    let path = created(&api).await;
    assert_eq!(patch(&api, &path, Some("\"1\""), "second").await.status, 200);
    for tags in ["\"1\"", "W/\"2\"", "\"1\", \"7\"", "\"abc\"", "\"02\""] {
        let answer = patch(&api, &path, Some(tags), "third").await;
        assert_eq!(answer.problem(412, "version-mismatch")["current_version"], 2, "{tags}");
        assert_eq!(answer.header("etag"), Some("\"2\""), "{tags}");
    }
    let delete = with(request(Method::DELETE, &path).body(Body::empty()).expect("a request"), "if-match", "\"1\"");
    api.send(delete).await.problem(412, "version-mismatch");
    assert_eq!(api.get(&path).await.json()["title"], "second");
}

#[tokio::test]
async fn one_of_several_tags_or_any_will_do() {
    let api = Api::default();
    let path = created(&api).await;
    assert_eq!(patch(&api, &path, Some("\"9\", W/\"1\", \"1\", \"2\""), "second").await.status, 200);
    assert_eq!(patch(&api, &path, Some("*"), "third").await.status, 200);
}

#[tokio::test]
async fn conditions_on_what_is_not_there_are_404() {
    let api = Api::default();
    for tags in ["*", "\"1\"", "\"1\", \"2\""] {
        let answer = patch(&api, &format!("/activities/{NOBODY}"), Some(tags), "x").await;
        assert_eq!(answer.problem(404, "not-found")["detail"], format!("There is no activity {NOBODY}."));
    }
}

#[tokio::test]
async fn a_reader_with_the_current_version_gets_304() {
    let api = Api::default();
    let path = created(&api).await;
    for (tags, status) in
        [("\"1\"", 304), ("W/\"1\"", 304), ("\"5\", \"1\"", 304), ("*", 304), ("\"2\"", 200), ("broken", 200)]
    {
        let get = with(request(Method::GET, &path).body(Body::empty()).expect("a request"), "if-none-match", tags);
        let answer = api.send(get).await;
        assert_eq!(answer.status, status, "{tags}");
        assert_eq!(answer.header("etag"), Some("\"1\""));
        assert_eq!(answer.body.is_empty(), status == 304);
    }
}
