//! Clients that create activities as fast as they can, each request under an idempotency key of its own, and remember what they
//! were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{StreamExt, stream};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    client::{Client, activity, created},
    process::PATIENCE,
    support::eventually,
};

/// A request that was sent, perhaps.
#[derive(Clone)]
pub(crate) struct Attempt {
    pub(crate) activity: Value,
    /// The activity's id, when the answer was a 201.
    pub(crate) told: Option<String>,
}

/// Everything that was attempted, by idempotency key.
#[derive(Default, Clone)]
pub(crate) struct Attempts(Arc<Mutex<BTreeMap<String, Attempt>>>);

impl Attempts {
    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many were answered with 201.
    pub(crate) fn acknowledged(&self) -> usize {
        self.lock().values().filter(|attempt| attempt.told.is_some()).count()
    }

    /// Takes out the requests that were answered with 201. Answers the activities' ids, which differ.
    pub(crate) fn take_acknowledged(&self) -> BTreeSet<Uuid> {
        let mut attempts = self.lock();
        let before = attempts.len();
        let ids: BTreeSet<Uuid> = attempts.values().filter_map(|attempt| attempt.told.as_ref()?.parse().ok()).collect();
        attempts.retain(|_, attempt| attempt.told.is_none());
        assert_eq!(ids.len(), before - attempts.len(), "two requests were told the same id");
        ids
    }

    /// Sends every request again, under its key. Fails unless each ends in one activity, and those that were told before in the one
    /// they were told. Answers how many there are.
    pub(crate) async fn resolve(&self, client: &Client) -> i64 {
        let all: Vec<(String, Attempt)> = self.lock().clone().into_iter().collect();
        let count = i64::try_from(all.len()).expect("few");
        let resolved = stream::iter(all).map(|(key, attempt)| async move {
            let answer = settled(client, &key, &attempt.activity).await;
            let replayed = answer.headers().contains_key("idempotent-replayed");
            let activity = created(answer).await;
            if let Some(told) = attempt.told {
                assert!(replayed, "{key} was acknowledged and is not stored");
                assert_eq!(activity["id"], told, "{key}");
            }
        });
        resolved.buffer_unordered(16).collect::<Vec<()>>().await;
        count
    }
}

/// The answer to a request that may still be under way from an earlier attempt.
async fn settled(client: &Client, key: &str, activity: &Value) -> Response {
    eventually("the request is no longer under way", PATIENCE, async || {
        let answer = post(client, key, activity).await.expect("an answer");
        (answer.status() != StatusCode::CONFLICT).then_some(answer)
    })
    .await
}

async fn post(client: &Client, key: &str, activity: &Value) -> reqwest::Result<Response> {
    client.request(Method::POST, "/activities").header("idempotency-key", key).json(activity).send().await
}

/// Clients at work.
pub(crate) struct Load {
    pub(crate) attempts: Attempts,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    /// Starts this many clients. Each ends when the server does, or with [`finish`](Self::finish).
    pub(crate) fn start(base: &str, clients: u8, name: &str) -> Self {
        let mut load = Self { attempts: Attempts::default(), stop: Arc::default(), clients: JoinSet::new() };
        for number in 0..clients {
            let (attempts, stop) = (load.attempts.clone(), load.stop.clone());
            // A connection of its own for each, as different machines have.
            let (client, name) = (Client::new(base), format!("{name}-{number}"));
            load.clients.spawn(async move { keep_creating(&client, &name, number, &attempts, &stop).await });
        }
        load
    }

    /// Waits until at least this many requests were acknowledged.
    pub(crate) async fn reaches(&self, acknowledged: usize) {
        let enough = async || (self.attempts.acknowledged() >= acknowledged).then_some(());
        eventually("enough requests are acknowledged", PATIENCE, enough).await;
    }

    /// Waits for every client to end: by itself, because the server has gone, or after its next answer.
    pub(crate) async fn finish(mut self) -> Attempts {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
        self.attempts
    }
}

async fn keep_creating(client: &Client, name: &str, number: u8, attempts: &Attempts, stop: &AtomicBool) {
    // Few users, so that clients meet in their rows.
    let user = Uuid::from_u128(1 + u128::from(number % 5));
    for n in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let key = format!("{name}-{n}");
        let activity = activity(user, u8::try_from(1 + n % 28).unwrap_or(1), 10 + n % 50);
        attempts.lock().insert(key.clone(), Attempt { activity: activity.clone(), told: None });
        // Without an answer the server has gone, and the outcome is not known.
        let Ok(answer) = post(client, &key, &activity).await else { return };
        let status = answer.status();
        assert!(
            status == StatusCode::CREATED || status == StatusCode::SERVICE_UNAVAILABLE,
            "{key}: {status}: {}",
            answer.text().await.unwrap_or_default()
        );
        if status == StatusCode::CREATED {
            // An answer that was cut off is as good as none.
            let Ok(body) = answer.json::<Value>().await else { return };
            let told = body["id"].as_str().map(str::to_owned);
            if let Some(attempt) = attempts.lock().get_mut(&key) {
                attempt.told = told;
            }
        }
    }
}
