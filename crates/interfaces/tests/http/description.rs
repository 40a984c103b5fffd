//! The OpenAPI document against the router.

use std::collections::BTreeSet;

use activelog_interfaces::http::openapi;
use axum::{body::Body, http::Method};
use serde_json::{Value, json};

use crate::api::{Api, NOBODY, request, run};

fn document() -> Value {
    serde_json::to_value(openapi()).expect("a document")
}

/// Method, path and operation of everything described.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let of = |(path, item): (&String, &'static str)| (path.clone(), item);
    let mut all = Vec::new();
    for (path, item) in paths {
        for method in ["get", "post", "put", "patch", "delete"] {
            if let Some(operation) = item.get(method) {
                let (path, method) = of((path, method));
                all.push((method.to_uppercase(), path, operation));
            }
        }
    }
    all
}

const CONTRACT: &[(&str, &str)] = &[
    ("POST", "/activities"),
    ("GET", "/activities"),
    ("GET", "/activities/{id}"),
    ("PATCH", "/activities/{id}"),
    ("DELETE", "/activities/{id}"),
    ("GET", "/users/{id}/statistics"),
    ("GET", "/users/{id}/notifications"),
    ("POST", "/users/{id}/notifications/{notification_id}/read"),
    ("GET", "/users/{id}/achievements"),
    ("POST", "/users/{id}/webhooks"),
    ("GET", "/users/{id}/webhooks"),
    ("GET", "/users/{id}/webhooks/{webhook_id}"),
    ("DELETE", "/users/{id}/webhooks/{webhook_id}"),
    ("POST", "/users/{id}/webhooks/{webhook_id}/enable"),
    ("POST", "/users/{id}/webhooks/{webhook_id}/rotate-secret"),
    ("GET", "/leaderboard"),
    ("GET", "/events"),
    ("GET", "/dead-letters"),
    ("GET", "/dead-letters/{id}"),
    ("POST", "/dead-letters/{id}/replay"),
    ("POST", "/dead-letters/{id}/discard"),
    ("POST", "/dead-letters/replay"),
    ("POST", "/dead-letters/discard"),
    ("GET", "/parked"),
    ("GET", "/health"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
    ("GET", "/openapi.json"),
];

#[tokio::test]
async fn the_document_and_the_router_agree() {
    let api = Api::default();
    let document = document();
    let described: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let contract = CONTRACT.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, contract);
    // What the router itself says of each path: a method that is not described is not there.
    for path in document["paths"].as_object().expect("paths").keys() {
        let real = path.replace("{id}", NOBODY).replace("{notification_id}", NOBODY).replace("{webhook_id}", NOBODY);
        let trace = request(Method::TRACE, &real).body(Body::empty()).expect("a request");
        let allow = api.send(trace).await.header("allow").expect("Allow").to_owned();
        let allowed: BTreeSet<&str> = allow.split(',').map(str::trim).filter(|m| *m != "HEAD").collect();
        let methods = described.iter().filter(|(_, p)| p == path).map(|(method, _)| method.as_str()).collect();
        assert_eq!(allowed, methods, "{path}");
    }
    // And every path the router knows is described, or belongs to the page.
    let debug = format!("{:?}", api.router);
    let known: BTreeSet<&str> = debug.split('"').filter(|text| text.starts_with('/')).collect();
    let page = ["/", "/docs", "/docs/", "/docs/{*rest}", "/{*__private__axum_fallback}"];
    let missing: Vec<_> = known.iter().filter(|p| document["paths"].get(**p).is_none() && !page.contains(*p)).collect();
    assert!(known.len() >= 12, "the router no longer tells its paths: {debug}");
    assert!(missing.is_empty(), "not described: {missing:?}");
}

#[tokio::test]
async fn the_document_is_served_as_it_is() {
    let answer = Api::default().get("/openapi.json").await;
    assert_eq!((answer.status, answer.json()), (200, document()));
    assert_eq!(answer.json()["openapi"], "3.1.0");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    let pointer = reference.strip_prefix('#').expect("a local reference");
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                fields.values().for_each(|v| walk(v, document));
            }
            Value::Array(items) => items.iter().for_each(|v| walk(v, document)),
            _ => {}
        }
    }
    let document = document();
    walk(&document, &document);
}

#[test]
fn operations_describe_headers_parameters_and_problems() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().expect("an id")), "{what}: its id is taken");
        assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{what}");
        let names: BTreeSet<&str> =
            operation["parameters"].as_array().expect("parameters").iter().filter_map(|p| p["name"].as_str()).collect();
        let responses = operation["responses"].as_object().expect("responses");
        let has = |status: &str| responses.contains_key(status);
        assert!(names.contains("X-Request-Id") && has("500"), "{what}");
        // Dead letters are acted on once by themselves; what is not dead any more is a conflict.
        let keyed = method == "POST" && !path.starts_with("/dead-letters");
        assert_eq!(names.contains("Idempotency-Key"), keyed, "{what}");
        assert_eq!(has("409"), keyed || (method == "POST" && path.contains("{id}")), "{what}");
        assert!(method != "POST" || has("422"), "{what}");
        let conditional = path.starts_with("/activities") && (method == "PATCH" || method == "DELETE");
        assert_eq!(names.contains("If-Match") && has("412") && has("428"), conditional, "{what}");
        assert_eq!(has("415"), operation.get("requestBody").is_some(), "{what}");
        assert_eq!(has("413"), method != "GET", "{what}");
        assert_eq!(names.contains("id") && has("404"), path.contains("{id}"), "{what}");
        assert!(path.starts_with("/health") || (has("400") && has("429") && has("503")), "{what}");
        for response in responses.values().filter(|r| r.get("$ref").is_none()) {
            assert!(response["headers"]["X-Request-Id"].is_object(), "{what}");
        }
    }
}

#[test]
fn parameters_say_which_values_they_take() {
    let document = document();
    let parameter = |path: &str, name: &str| -> Value {
        let all = document["paths"][path]["get"]["parameters"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|p| p["name"] == name).unwrap_or_else(|| panic!("no {name} of {path}"))
    };
    for path in ["/leaderboard", "/users/{id}/statistics"] {
        let period = parameter(path, "period");
        assert_eq!((&period["required"], &period["schema"]["enum"]), (&json!(false), &json!(["week", "month"])));
    }
    assert_eq!(document["components"]["schemas"]["Period"]["enum"], json!(["week", "month"]));
    let states = json!(["dead", "replaying", "replayed", "discarded"]);
    assert_eq!(parameter("/dead-letters", "state")["schema"]["enum"], states);
    let to = parameter("/activities", "to");
    assert!(to["description"].as_str().is_some_and(|text| text.contains("exclusive")), "{to}");
}

#[test]
fn tags_are_described_with_their_limits() {
    let document = document();
    for schema in ["NewActivity", "ActivityPatch"] {
        let schema = &document["components"]["schemas"][schema];
        let tags = &schema["properties"]["tags"];
        assert_eq!(
            (&tags["type"], &tags["maxItems"], &tags["uniqueItems"]),
            (&json!(["array", "null"]), &json!(20), &json!(true))
        );
        let each = &tags["items"];
        assert_eq!((&each["type"], &each["minLength"], &each["maxLength"]), (&json!("string"), &json!(1), &json!(40)));
        assert!(tags["description"].is_string(), "{tags}");
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        assert!(!required.contains(&json!("tags")), "{required:?}");
    }
    let stored = &document["components"]["schemas"]["Activity"];
    assert_eq!(stored["properties"]["tags"]["type"], "array");
    assert!(stored["required"].as_array().is_some_and(|names| names.contains(&json!("tags"))), "{stored}");
}

#[tokio::test]
async fn schemas_name_the_fields_that_are_read_and_written() {
    let document = document();
    let names = |schema: &str| -> BTreeSet<String> {
        let properties = document["components"]["schemas"][schema]["properties"].as_object();
        properties.unwrap_or_else(|| panic!("no schema {schema}")).keys().cloned().collect()
    };
    assert_eq!(document["components"]["schemas"]["NewActivity"]["additionalProperties"], json!(false));
    let api = Api::default();
    // The list of known fields is told once with any unknown one.
    let mut unknown = run();
    unknown["colour"] = json!("red");
    let problem = api.post("/activities", &unknown).await.json();
    let detail = problem["detail"].as_str().expect("a detail").trim_end_matches('.');
    let known = detail.split_once("Known are ").expect("a list").1.split(", ").map(str::to_owned).collect();
    assert_eq!(names("NewActivity"), known);
    let without_user: BTreeSet<String> = known.into_iter().filter(|name| name != "user_id").collect();
    assert_eq!(names("ActivityPatch"), without_user);
    let stored: BTreeSet<String> =
        api.create(json!({})).await.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(names("Activity"), stored);
}
