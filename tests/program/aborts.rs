//! Clients that disconnect in the middle of requests: whole chains or none, and no connection that remembers them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use reqwest::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    load::{Attempt, Attempts},
    process::{PATIENCE, Program, Setting},
    support::{self, eventually},
};

const REQUESTS: u32 = 10_000;
const CLIENTS: u32 = 64;

/// Where a client goes away.
#[derive(Clone, Copy)]
enum Leaves {
    /// Somewhere in head or body, so that the request is never whole.
    BeforeTheEnd,
    /// With the last byte.
    AfterSending,
    /// A moment later, while the server works or answers.
    WhileWaiting(Duration),
}

/// A connection that is made when it is needed.
struct Connection {
    address: String,
    stream: Option<TcpStream>,
}

impl Connection {
    async fn stream(&mut self) -> &mut TcpStream {
        if self.stream.is_none() {
            self.stream = Some(TcpStream::connect(&self.address).await.expect("it listens"));
        }
        self.stream.as_mut().expect("just made")
    }

    /// Sends a request and answers status and body.
    async fn exchange(&mut self, request: &[u8]) -> (u16, Vec<u8>) {
        let stream = self.stream().await;
        stream.write_all(request).await.expect("it reads");
        let answer = timeout(PATIENCE, read_answer(stream)).await;
        answer.expect("an answer in time").expect("a whole answer")
    }

    /// Sends a request, or a part of it, and goes away: half of the time with a reset rather than an end.
    async fn abandon(&mut self, request: &[u8], leaves: Leaves, random: &mut fastrand::Rng) {
        let sent = match leaves {
            Leaves::BeforeTheEnd => &request[..random.usize(1..request.len())],
            Leaves::AfterSending | Leaves::WhileWaiting(_) => request,
        };
        let stream = self.stream().await;
        stream.write_all(sent).await.expect("it reads");
        if let Leaves::WhileWaiting(patience) = leaves {
            // Gone with the first byte of an answer, or before one comes.
            let _ = timeout(patience, stream.read_u8()).await;
        }
        if random.bool() {
            stream.set_zero_linger().expect("it is open");
        }
        self.stream = None;
    }
}

/// Reads one answer with a Content-Length.
async fn read_answer(stream: &mut TcpStream) -> std::io::Result<(u16, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(2_048);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).expect("a length");
            while bytes.len() < end + 4 + length {
                if stream.read_buf(&mut bytes).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
            }
            return Ok((status, bytes.split_off(end + 4)));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// What became of the requests.
#[derive(Default)]
struct Counts {
    next: AtomicU32,
    left: AtomicU32,
}

async fn one_client(address: String, seed: u64, number: u32, counts: Arc<Counts>, attempts: Attempts, whole: Attempts) {
    let mut random = fastrand::Rng::with_seed(seed ^ u64::from(number));
    let mut connection = Connection { address, stream: None };
    loop {
        let n = counts.next.fetch_add(1, Ordering::Relaxed);
        if n >= REQUESTS {
            return;
        }
        let key = format!("{seed}-{n}");
        let activity = activity(Uuid::from_u128(1 + random.u128(..20)), random.u8(1..=28), random.u64(1..200));
        let body = activity.to_string();
        let request = format!(
            "POST /activities HTTP/1.1\r\nHost: activelog\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut attempt = Attempt { activity, told: None };
        if n.is_multiple_of(3) {
            let leaves = match random.u8(..3) {
                0 => Leaves::BeforeTheEnd,
                1 => Leaves::AfterSending,
                _ => Leaves::WhileWaiting(Duration::from_micros(random.u64(..20_000))),
            };
            connection.abandon(request.as_bytes(), leaves, &mut random).await;
            counts.left.fetch_add(1, Ordering::Relaxed);
            if !matches!(leaves, Leaves::BeforeTheEnd) {
                whole.lock().insert(key.clone(), attempt.clone());
            }
        } else {
            let (status, answer) = connection.exchange(request.as_bytes()).await;
            let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
            assert_eq!(status, 201, "{answer}");
            attempt.told = answer["id"].as_str().map(str::to_owned);
            whole.lock().insert(key.clone(), attempt.clone());
        }
        attempts.lock().insert(key, attempt);
    }
}

/// Sends everything, and checks what is there before anything is sent again, and after.
async fn disconnecting(setting: &Setting, program: &Program, seed: u64) {
    let (counts, attempts, whole) = (Arc::new(Counts::default()), Attempts::default(), Attempts::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (address, counts) = (program.address().to_owned(), counts.clone());
        clients.spawn(one_client(address, seed, number, counts, attempts.clone(), whole.clone()));
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client does not panic");
    }
    assert_eq!(attempts.lock().len(), REQUESTS as usize);
    assert_eq!(counts.left.load(Ordering::Relaxed), REQUESTS.div_ceil(3));
    let stored = setting.store.whole_chains().await;
    let (told, sent_whole) = (attempts.acknowledged(), whole.lock().len());
    let (told, sent_whole) = (i64::try_from(told).expect("few"), i64::try_from(sent_whole).expect("few"));
    assert!((told..=sent_whole).contains(&stored), "{stored} stored, {told} acknowledged, {sent_whole} sent whole");

    let ids = setting.store.activities().await;
    let acknowledged = attempts.take_acknowledged();
    assert!(acknowledged.is_subset(&ids), "acknowledged and not stored: {:?}", acknowledged.difference(&ids));

    // Whatever became of the others: after being sent again, each is there exactly once.
    let client = Client::new(program.base());
    let activities = told + attempts.resolve(&client).await;
    assert_eq!(activities, i64::from(REQUESTS));
    for n in 0..200_u8 {
        let answer = client.request(Method::POST, "/activities").json(&activity(Uuid::from_u128(99), 1 + n % 28, 10));
        assert_eq!(answer.send().await.expect("an answer").status(), StatusCode::CREATED, "plain request {n}");
    }
    assert_eq!(setting.store.whole_chains().await, activities + 200);
    assert!(!program.log().contains("panic"), "{}", program.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_clients_leave_sqlite_whole() {
    let setting = Setting::sqlite();
    let seed = support::seed("disconnecting_clients_leave_sqlite_whole");
    let program = setting.start("api").await;
    disconnecting(&setting, &program, seed).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_clients_leave_postgres_whole() {
    let Some(setting) = Setting::postgres() else { return };
    let seed = support::seed("disconnecting_clients_leave_postgres_whole");
    let program = setting.start("api").await;
    disconnecting(&setting, &program, seed).await;
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    eventually("nothing is idle in a transaction", PATIENCE, async || {
        (setting.store.numbers(idle).await == [0]).then_some(())
    })
    .await;
    program.stop().await;
}
