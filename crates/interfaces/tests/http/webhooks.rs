//! Webhooks: what is registered, shown once, refused and forgotten.

use activelog_application::{
    testing::MemoryRepositories,
    webhook::{DisabledReason, WebhookOptions, ports::WebhookStore},
};
use activelog_domain::webhook::Reach;
use activelog_interfaces::http::HttpOptions;
use axum::{body::Body, http::Method};
use serde_json::{Value, json};

use crate::api::{Answer, Api, NOBODY, USER, json_request, request, with};

const HOOK: &str = "https://example.com/hooks?key=1";

fn path() -> String {
    format!("/users/{USER}/webhooks")
}

fn hook() -> Value {
    json!({ "url": HOOK, "events": ["activity.*"] })
}

async fn registered(api: &Api) -> Value {
    let answer = api.post(&path(), &hook()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

async fn act(api: &Api, method: Method, path: &str) -> Answer {
    api.send(request(method, path).body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn the_secret_is_shown_once() {
    let api = Api::default();
    let body = json!({ "url": HOOK, "events": ["activity.created", "#"], "description": " My diary " });
    let answer = api.post(&path(), &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let mut webhook = answer.json();
    let own = format!("{}/{}", path(), webhook["id"].as_str().expect("an id"));
    assert_eq!(answer.header("location"), Some(own.as_str()));
    let secret = webhook.as_object_mut().expect("an object").remove("secret");
    assert_eq!(secret, Some(json!("whsec_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=")));
    let expected = json!({
        "id": webhook["id"], "user_id": USER, "url": HOOK, "events": ["activity.created", "#"], "description": "My diary",
        "enabled": true, "disabled_at": null, "disabled_reason": null, "failures": 0, "failing_since": null,
        "last_failure": null, "created_at": "2026-03-12T18:00:00Z",
    });
    assert_eq!(webhook, expected);
    assert_eq!(api.get(&own).await.json(), expected);
    assert_eq!(api.get(&path()).await.json(), json!({ "items": [expected], "next_cursor": null }));
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let api = Api::default();
    let body =
        json!({ "url": "ftp://example.com", "events": ["activity.craeted"], "description": "", "secret": "mine" });
    let answer = api.post(&path(), &body).await;
    answer.problem(422, "validation");
    let mut fields = answer.bad_fields();
    fields.sort();
    assert_eq!(fields, ["description", "events", "secret", "url"]);
    api.post(&path(), &json!({})).await.problem(422, "validation");
    for (field, value, rule) in [
        ("url", json!("http://127.0.0.1:8080/"), "must not lead to this machine"),
        ("url", json!("http://[::ffff:169.254.169.254]/"), "must not lead to this machine"),
        ("url", json!("http://localhost/"), "must not lead to this machine"),
        ("url", json!("https://ann:pw@example.com/"), "user name or password"),
        ("url", json!("https://example.com:25/"), "port 80, 443"),
        ("url", json!(7), "must be a string"),
        ("events", json!([]), "1 to 10"),
        ("events", json!("activity.*"), "must be a list of strings"),
        ("events", json!([1]), "must be a list of strings"),
        ("description", json!("x".repeat(201)), "1 to 200"),
    ] {
        let mut body = hook();
        body[field] = value;
        let problem = api.post(&path(), &body).await.problem(422, "validation");
        let error = &problem["errors"][0];
        assert_eq!(error["field"], field, "{problem}");
        assert!(error["rule"].as_str().is_some_and(|text| text.contains(rule)), "{problem}");
    }
    assert_eq!(api.get(&path()).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_configured_network_may_be_reached() {
    let options = WebhookOptions { reach: Reach::Anywhere, ..WebhookOptions::default() };
    let api = Api::with_webhooks(HttpOptions::default(), options);
    let body = json!({ "url": "http://127.0.0.1:81/", "events": ["#"] });
    assert_eq!(api.post(&path(), &body).await.status, 201);
}

#[tokio::test]
async fn limits_and_switches_are_told_apart() {
    let api = Api::default();
    for _ in 0..WebhookOptions::PER_USER {
        registered(&api).await;
    }
    let problem = api.post(&path(), &hook()).await.problem(409, "too-many");
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("20 webhooks")), "{problem}");
    let off = WebhookOptions { enabled: false, ..WebhookOptions::default() };
    let off = Api::with_webhooks(HttpOptions::default(), off);
    off.post(&path(), &hook()).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_registration_with_a_key_is_made_once() {
    let api = Api::default();
    let send = || api.send(with(json_request(Method::POST, &path(), &hook()), "idempotency-key", "k"));
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(api.get(&path()).await.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn one_that_was_disabled_is_enabled_again() {
    let api = Api::default();
    let id: uuid::Uuid = registered(&api).await["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let store: &MemoryRepositories = &api.store.inner;
    let at = "2026-03-12T17:00:00Z".parse().expect("an instant");
    store.note_failure(id, at, "the receiver answered 503, not 2xx").await.expect("noted");
    let mut tx = api.begin().await;
    tx.webhooks().disable(id, at, DisabledReason::Failing).await.expect("disabled");
    tx.commit().await.expect("committed");
    let own = format!("{}/{id}", path());
    let shown = api.get(&own).await.json();
    for (field, value) in [
        ("enabled", json!(false)),
        ("disabled_at", json!("2026-03-12T17:00:00Z")),
        ("disabled_reason", json!("failing")),
        ("failures", json!(1)),
        ("failing_since", json!("2026-03-12T17:00:00Z")),
        ("last_failure", json!("the receiver answered 503, not 2xx")),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    let enabled = act(&api, Method::POST, &format!("{own}/enable")).await;
    assert_eq!(enabled.status, 200);
    assert_eq!((&enabled.json()["enabled"], &enabled.json()["failures"]), (&json!(true), &json!(0)));
    assert_eq!(api.get(&own).await.json(), enabled.json());
}

#[tokio::test]
async fn a_new_secret_is_shown_once_and_the_webhook_stays() {
    let api = Api::default();
    let first = registered(&api).await;
    let own = format!("{}/{}", path(), first["id"].as_str().expect("an id"));
    let rotated = act(&api, Method::POST, &format!("{own}/rotate-secret")).await;
    assert_eq!(rotated.status, 200);
    let rotated = rotated.json();
    assert_eq!((&rotated["id"], &rotated["url"]), (&first["id"], &first["url"]));
    assert!(
        rotated["secret"].as_str().is_some_and(|secret| secret.starts_with("whsec_") && first["secret"] != *secret)
    );
    assert!(api.get(&own).await.json().get("secret").is_none());
}

#[tokio::test]
async fn what_is_not_there_cannot_be_seen_or_changed() {
    let api = Api::default();
    let id = registered(&api).await["id"].as_str().expect("an id").to_owned();
    let own = format!("{}/{id}", path());
    for path in [format!("{}/{NOBODY}", path()), own.replace(USER, NOBODY)] {
        api.get(&path).await.problem(404, "not-found");
        act(&api, Method::DELETE, &path).await.problem(404, "not-found");
        for action in ["enable", "rotate-secret"] {
            act(&api, Method::POST, &format!("{path}/{action}")).await.problem(404, "not-found");
        }
    }
    api.get(&format!("{}/seven", path())).await.problem(400, "invalid-parameter");
    assert_eq!(act(&api, Method::DELETE, &own).await.status, 204);
    act(&api, Method::DELETE, &own).await.problem(404, "not-found");
    assert_eq!(api.get(&format!("/users/{NOBODY}/webhooks")).await.json()["items"], json!([]));
}
