//! How long it takes until somebody else does the work, and until the work goes on.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{DRAIN, Setting};
use crate::{
    cast::Cast,
    client::{Clients, Habits},
    evidence::drained,
    log::{Change, Life, Outcome, Request, Temper},
    schedule::Component,
    stage::Stage,
    tally::TALLY,
};

/// The bar is 5 s; a machine that is busy with other tests gets as much again before the test fails.
const BOUND: Duration = Duration::from_secs(10);

/// So many activities have events in every partition, but for one chance in thousands.
const PROBES: usize = 100;

/// After the relay that does the work was killed, the other one has its partitions. Counted from the kill until everything recorded after it is
/// published.
pub(super) async fn takeover(setting: Setting) -> Result<(), String> {
    const OWNERS: &str =
        "SELECT CAST(count(DISTINCT owner) AS bigint) FROM leases WHERE scope = 'relay' AND owner IS NOT NULL";
    const OUTBOX: &str = "SELECT CAST(count(*) AS bigint) FROM outbox";
    let (folder, database) = setting.database()?;
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 2), (Component::Worker, 1)]);
    let mut stage = Stage::set(folder, database, &cast).await?;
    let mut lives = Vec::new();
    for round in 0..setting.times(3) {
        let shared = async {
            while stage.database.number(OWNERS).await.ok() != Some(2) {
                sleep(Duration::from_millis(50)).await
            }
        };
        if timeout(Duration::from_secs(60), shared).await.is_err() {
            return Err(stage.failure("two relays do not share the partitions"));
        }
        let killed = Instant::now();
        stage.kill(Component::Relay, round).await;
        for number in 0..PROBES {
            lives.push(probe(&stage, &format!("{:x}-{round}-{number}", setting.seed)).await?);
        }
        let empty = async {
            while stage.database.number(OUTBOX).await.ok() != Some(0) {
                sleep(Duration::from_millis(20)).await
            }
        };
        let in_time = timeout(BOUND, empty).await.is_ok();
        TALLY.time(stage.database.name(), "relay takeover", killed.elapsed());
        if !in_time {
            return Err(stage.failure(&format!("no other relay has taken over within {BOUND:?}")));
        }
        stage.bring_up(Component::Relay).await;
    }
    conclude(stage, lives).await
}

/// After the server was killed and is back, the first event is handled. Counted from when the server takes connections again.
pub(super) async fn database_back(setting: Setting) -> Result<(), String> {
    let (folder, database) = setting.database()?;
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 1)]);
    let mut stage = Stage::set(folder, database, &cast).await?;
    let mut random = fastrand::Rng::with_seed(setting.seed);
    let mut lives = Vec::new();
    for round in 0..setting.times(3) {
        lives.push(probe(&stage, &format!("{:x}-{round}-before", setting.seed)).await?);
        TALLY.fault(stage.database.name(), Component::Database, crate::schedule::Fault::Kill);
        stage.database.kill().await;
        sleep(Duration::from_millis(random.u64(..3_000))).await;
        stage.database.restart().await;
        let back = Instant::now();
        lives.push(probe(&stage, &format!("{:x}-{round}-after", setting.seed)).await?);
        let handled = drained(&stage.database, false, BOUND).await;
        TALLY.time(stage.database.name(), "worker recovery", back.elapsed());
        if let Err(why) = handled {
            return Err(stage.failure(&why));
        }
    }
    conclude(stage, lives).await
}

/// Creates an activity, as soon as that is possible.
async fn probe(stage: &Stage, key: &str) -> Result<Life, String> {
    let http = reqwest::Client::builder().no_proxy().timeout(BOUND).build().map_err(|error| error.to_string())?;
    let body = json!({
        "user_id": Uuid::from_u128(1), "type": "run", "title": key, "duration_minutes": 10, "activity_date": "2026-03-01T07:30:00Z",
    });
    let start = Instant::now();
    loop {
        let request = http.post(format!("{}/activities", stage.base())).header("idempotency-key", key).json(&body);
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::CREATED => break,
            _ if start.elapsed() > BOUND => return Err(format!("{key} was not accepted within {BOUND:?}")),
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
    let requests = vec![Request { change: Change::Create(10), outcome: Outcome::Acknowledged }];
    Ok(Life { title: key.to_owned(), temper: Temper::Good, id: None, requests })
}

async fn conclude(stage: Stage, lives: Vec<Life>) -> Result<(), String> {
    let mut clients = Clients::start(stage.base(), 0, &Habits { clients: 0, ..Habits::default() });
    clients.add(lives);
    stage.conclude(clients, DRAIN).await.map(drop)
}
