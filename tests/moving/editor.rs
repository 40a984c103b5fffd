//! A client that changes one activity again and again: its events have to be taken in the order of its versions.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::client::{Client, activity};

/// A client at work.
pub(crate) struct Editor {
    stop: Arc<AtomicBool>,
    work: JoinHandle<u64>,
}

impl Editor {
    pub(crate) fn start(base: &str) -> Self {
        let (client, stop) = (Client::new(base), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let work = tokio::spawn(async move { edit(&client, &stopped).await });
        Self { stop, work }
    }

    /// Ends after the next answer. How often the activity was changed.
    pub(crate) async fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.work.await.expect("it does not panic")
    }
}

async fn edit(client: &Client, stop: &AtomicBool) -> u64 {
    let created = client.create(&activity(Uuid::from_u128(77), 2, 30)).await;
    let path = format!("/activities/{}", created["id"].as_str().expect("an id"));
    let mut version = 1;
    while !stop.load(Ordering::Relaxed) {
        let change = json!({ "distance_km": 1 + version % 40 });
        let request = client.request(Method::PATCH, &path).header("if-match", format!("\"{version}\"")).json(&change);
        let answer = request.send().await.expect("an answer");
        match answer.status() {
            StatusCode::OK => version += 1,
            status => {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text().await.unwrap_or_default())
            }
        }
    }
    version - 1
}
