//! A client of the API.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::PATIENCE;

/// Talks to one program.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).connect_timeout(Duration::from_secs(5));
        Self { http: http.build().expect("a client"), base: base.to_owned() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// The body of an answer with status 200.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.request(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "GET {path}");
        answer.json().await.expect("JSON")
    }

    pub(crate) async fn status(&self, path: &str) -> StatusCode {
        self.request(Method::GET, path).send().await.expect("an answer").status()
    }

    /// Creates an activity, which has to succeed.
    pub(crate) async fn create(&self, activity: &Value) -> Value {
        let answer = self.request(Method::POST, "/activities").json(activity).send().await.expect("an answer");
        created(answer).await
    }

    /// Every item of a list, page by page.
    pub(crate) async fn all(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{separator}limit=100{cursor}")).await;
            items.extend(page["items"].as_array().expect("a list").iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { return items };
            cursor = format!("&cursor={next}");
        }
    }
}

/// The body of a 201.
pub(crate) async fn created(answer: Response) -> Value {
    let status = answer.status();
    let body = answer.text().await.expect("a body");
    assert_eq!(status, StatusCode::CREATED, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

/// An activity of a user on a day of March 2026.
pub(crate) fn activity(user: Uuid, day: u8, minutes: u64) -> Value {
    json!({
        "user_id": user, "type": "run", "title": "Morning run", "duration_minutes": minutes,
        "distance_km": 5.25, "activity_date": format!("2026-03-{day:02}T07:30:00Z"),
    })
}
