//! Clients that create, change and delete activities while the program is being hit, and remember what they were told.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};
use uuid::Uuid;

use crate::log::{Change, ClientLog, Life, Outcome, Request, Temper};

/// How clients behave.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// How many there are.
    pub(crate) clients: u64,
    /// The pause between requests, in milliseconds.
    pub(crate) pause: std::ops::Range<u64>,
    /// How many requests of a hundred are aborted within milliseconds.
    pub(crate) aborted: u64,
    /// Activities that are not good, to be made some time.
    pub(crate) tempers: Vec<Temper>,
}

impl Default for Habits {
    fn default() -> Self {
        Self { clients: 8, pause: 20..120, aborted: 5, tempers: Vec::new() }
    }
}

/// Users of each client.
const USERS: u64 = 40;

/// The most activities that a client looks after at once.
const LIVING: usize = 30;

/// Clients at work.
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    tasks: JoinSet<ClientLog>,
    others: Vec<Life>,
}

impl Clients {
    /// Starts them on the API at `base`, which may come and go.
    pub(crate) fn start(base: &str, seed: u64, habits: &Habits) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tempers = Arc::new(Mutex::new(habits.tempers.clone()));
        let mut tasks = JoinSet::new();
        for number in 0..habits.clients {
            let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(15)).build();
            let client = Client {
                http: http.expect("a client"),
                base: base.to_owned(),
                number,
                random: fastrand::Rng::with_seed(seed.wrapping_add(number)),
                name: format!("{seed:x}-{number}"),
                habits: habits.clone(),
                tempers: tempers.clone(),
                stop: stop.clone(),
                acknowledged: acknowledged.clone(),
                log: ClientLog::default(),
            };
            tasks.spawn(client.run());
        }
        Self { stop, acknowledged, tasks, others: Vec::new() }
    }

    /// Activities that somebody else looks after.
    pub(crate) fn add(&mut self, lives: Vec<Life>) {
        self.others.extend(lives);
    }

    /// How many requests were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Ends them, each after its next answer. Requests whose outcome is not known by then stay unknown.
    pub(crate) async fn finish(mut self) -> ClientLog {
        self.stop.store(true, Ordering::Relaxed);
        let mut log = ClientLog { lives: self.others, ..ClientLog::default() };
        while let Some(ended) = self.tasks.join_next().await {
            let one = ended.expect("a client does not panic");
            log.lives.extend(one.lives);
            log.wrong_answers.extend(one.wrong_answers);
        }
        log
    }
}

struct Client {
    http: reqwest::Client,
    base: String,
    number: u64,
    random: fastrand::Rng,
    name: String,
    habits: Habits,
    tempers: Arc<Mutex<Vec<Temper>>>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    log: ClientLog,
}

/// What a client holds of an activity that it can change.
struct Living {
    /// Its life in the log.
    life: usize,
    id: Uuid,
    version: u64,
    minutes: u32,
}

/// An answer to one attempt.
enum Answer {
    /// Nobody listened.
    NotSent,
    /// There was none, or one that says that the outcome is not known or the time is bad.
    None,
    Got(StatusCode, Value, bool),
}

impl Client {
    async fn run(mut self) -> ClientLog {
        let mut living: Vec<Living> = Vec::new();
        let mut count = 0_u64;
        while !self.stopped() {
            let drawn = self.random.u8(..100);
            if living.is_empty() || (drawn < 50 && living.len() < LIVING) {
                living.extend(self.create(count).await);
                count += 1;
            } else {
                let chosen = self.random.usize(..living.len());
                let one = living.swap_remove(chosen);
                living.extend(if drawn < 85 { self.patch(one).await } else { self.delete(one).await });
            }
            tokio::time::sleep(Duration::from_millis(self.random.u64(self.habits.pause.clone()))).await;
        }
        self.log
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// An odd one now and then, while there are any to be made.
    fn temper(&mut self) -> Temper {
        let mut tempers = self.tempers.lock().unwrap_or_else(PoisonError::into_inner);
        if tempers.is_empty() || self.random.u8(..4) > 0 {
            return Temper::Good;
        }
        let chosen = self.random.usize(..tempers.len());
        tempers.swap_remove(chosen)
    }

    async fn create(&mut self, count: u64) -> Option<Living> {
        let temper = self.temper();
        let (key, minutes) = (format!("{}-{count}", self.name), self.random.u32(1..600));
        let title = format!("{}{key}", temper.prefix());
        let user = Uuid::from_u128(u128::from(1 + self.number * USERS + self.random.u64(..USERS)));
        let body = json!({
            "user_id": user, "type": if self.random.bool() { "run" } else { "ride" }, "title": title,
            "duration_minutes": minutes, "distance_km": f64::from(self.random.u32(1..400)) / 8.0,
            "activity_date": format!("2026-03-{:02}T07:30:00Z", self.random.u8(1..=28)),
        });
        let life = self.log.lives.len();
        self.log.lives.push(Life { title, temper, id: None, requests: Vec::new() });
        let request = self.http.request(Method::POST, format!("{}/activities", self.base));
        let request = request.header("idempotency-key", &key).json(&body);
        let (outcome, answer) = self.settle(&request, StatusCode::CREATED).await;
        self.note(life, Change::Create(minutes), outcome);
        let (body, _) = answer?;
        let Some(id) = body["id"].as_str().and_then(|id| id.parse().ok()) else {
            self.wrong(format!("{key}: created without an id: {body}"));
            return None;
        };
        self.log.lives[life].id = Some(id);
        if self.random.u8(..20) == 0 {
            self.again(&request, id).await;
        }
        Some(Living { life, id, version: 1, minutes })
    }

    /// The same request under the same key is answered as before.
    async fn again(&mut self, request: &RequestBuilder, id: Uuid) {
        if let Answer::Got(StatusCode::CREATED, body, replayed) = self.attempt(request, false).await
            && (!replayed || body["id"] != json!(id))
        {
            self.wrong(format!("{id} was acknowledged, and asking again made {} (replayed: {replayed})", body["id"]));
        }
    }

    async fn patch(&mut self, one: Living) -> Option<Living> {
        let minutes = 1 + (one.minutes + self.random.u32(..500)) % 600;
        let request = self.http.request(Method::PATCH, self.path(one.id));
        let request =
            request.header("if-match", format!("\"{}\"", one.version)).json(&json!({ "duration_minutes": minutes }));
        let (mut outcome, mut answer) = self.settle(&request, StatusCode::OK).await;
        if matches!(answer, Some((_, StatusCode::PRECONDITION_FAILED))) {
            // It was sent before: perhaps this is what it has done.
            let read = self.http.request(Method::GET, self.path(one.id));
            (outcome, answer) = self.settle(&read, StatusCode::OK).await;
            if outcome != Outcome::Acknowledged {
                outcome = Outcome::Unknown;
            }
        }
        self.note(one.life, Change::Patch(minutes), outcome);
        let (body, _) = answer?;
        let (version, found) = (body["version"].as_u64(), body["duration_minutes"].as_u64());
        if version != Some(one.version + 1) || found != Some(u64::from(minutes)) {
            self.wrong(format!("{}: {minutes} minutes in version {} are now {body}", one.id, one.version + 1));
            return None;
        }
        Some(Living { version: one.version + 1, minutes, ..one })
    }

    async fn delete(&mut self, one: Living) -> Option<Living> {
        let request = self.http.request(Method::DELETE, self.path(one.id));
        let request = request.header("if-match", format!("\"{}\"", one.version));
        let (outcome, _) = self.settle(&request, StatusCode::NO_CONTENT).await;
        self.note(one.life, Change::Delete, outcome);
        None
    }

    fn path(&self, id: Uuid) -> String {
        format!("{}/activities/{id}", self.base)
    }

    fn note(&mut self, life: usize, change: Change, outcome: Outcome) {
        if outcome == Outcome::Acknowledged {
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.log.lives[life].requests.push(Request { change, outcome });
    }

    fn wrong(&mut self, what: String) {
        self.log.wrong_answers.push(what);
    }

    /// Sends a request until its outcome is known, or gives up on knowing it: sometimes at once, and when the client is to end. After an
    /// attempt whose outcome is unknown, 412 and 404 may tell of what that attempt has done.
    async fn settle(
        &mut self,
        request: &RequestBuilder,
        success: StatusCode,
    ) -> (Outcome, Option<(Value, StatusCode)>) {
        let mut outcome = Outcome::Unsent;
        let mut impatient = self.random.u64(..100) < self.habits.aborted;
        loop {
            match self.attempt(request, std::mem::take(&mut impatient)).await {
                Answer::Got(status, body, _) if status == success => {
                    return (Outcome::Acknowledged, Some((body, status)));
                }
                Answer::Got(status @ (StatusCode::PRECONDITION_FAILED | StatusCode::NOT_FOUND), body, _)
                    if outcome == Outcome::Unknown =>
                {
                    return (Outcome::Acknowledged, Some((body, status)));
                }
                // The attempt before is still under way.
                Answer::Got(StatusCode::CONFLICT, ..) => outcome = Outcome::Unknown,
                Answer::Got(StatusCode::TOO_MANY_REQUESTS, ..) | Answer::NotSent => {}
                Answer::Got(status, body, _) => {
                    self.wrong(format!("{request:?}: {status}: {body}"));
                    return (Outcome::Unknown, None);
                }
                Answer::None => {
                    outcome = Outcome::Unknown;
                    if self.random.u8(..4) == 0 {
                        return (outcome, None);
                    }
                }
            }
            if self.stopped() {
                return (outcome, None);
            }
            tokio::time::sleep(Duration::from_millis(self.random.u64(20..200))).await;
        }
    }

    async fn attempt(&mut self, request: &RequestBuilder, impatient: bool) -> Answer {
        let Some(request) = request.try_clone() else { return Answer::NotSent };
        let exchange = async {
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) if error.is_connect() => return Answer::NotSent,
                Err(_) => return Answer::None,
            };
            let (status, replayed) = (answer.status(), answer.headers().contains_key("idempotent-replayed"));
            if status.is_server_error() {
                return Answer::None;
            }
            match answer.bytes().await {
                // An answer that was cut off is as good as none.
                Err(_) => Answer::None,
                Ok(bytes) => Answer::Got(status, serde_json::from_slice(&bytes).unwrap_or(Value::Null), replayed),
            }
        };
        if impatient {
            let patience = Duration::from_micros(self.random.u64(..30_000));
            return timeout(patience, exchange).await.unwrap_or(Answer::None);
        }
        exchange.await
    }
}
