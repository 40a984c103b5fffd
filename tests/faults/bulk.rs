//! Many activities, created as fast as the API takes them, each until it is acknowledged.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::log::{Change, Life, Outcome, Request, Temper};

/// How many requests are under way at once.
const AT_ONCE: usize = 32;

/// Among so many users: no more than a leaderboard shows at once, so that all of it is compared.
const USERS: usize = 900;

/// How long one request may take, tried again and again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Creates so many on the API at `base`, over connections that are kept.
pub(crate) async fn create(base: &str, name: &str, count: usize, temper: Temper) -> Result<Vec<Life>, String> {
    let http = Client::builder().no_proxy().timeout(Duration::from_secs(15)).build().map_err(|e| e.to_string())?;
    let url = format!("{base}/activities");
    let one = |number: usize| {
        let (http, url, key) = (http.clone(), url.clone(), format!("{name}-{number}"));
        async move { single(&http, &url, number, &key, temper).await }
    };
    stream::iter(0..count).map(one).buffer_unordered(AT_ONCE).try_collect().await
}

async fn single(http: &Client, url: &str, number: usize, key: &str, temper: Temper) -> Result<Life, String> {
    let title = format!("{}{key}", temper.prefix());
    let minutes = 1 + u32::try_from(number % 600).unwrap_or_default();
    let user = Uuid::from_u128(1_000 + (number % USERS) as u128);
    let body = json!({
        "user_id": user, "type": if number.is_multiple_of(2) { "run" } else { "ride" }, "title": title,
        "duration_minutes": minutes, "distance_km": (number % 400) as f64 / 8.0,
        "activity_date": format!("2026-03-{:02}T07:30:00Z", 1 + number % 28),
    });
    let begin = Instant::now();
    loop {
        let sent = http.post(url).header("idempotency-key", key).json(&body).send().await;
        let told = match sent {
            Ok(answer) if answer.status() == StatusCode::CREATED => {
                let answer: Value = answer.json().await.unwrap_or_default();
                let id = answer["id"].as_str().and_then(|id| id.parse().ok());
                let requests = vec![Request { change: Change::Create(minutes), outcome: Outcome::Acknowledged }];
                return Ok(Life { title, temper, id, requests });
            }
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        if begin.elapsed() > PATIENCE {
            return Err(format!("{title:?} was not accepted within {PATIENCE:?}: {told}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
