//! The broker's disk is full for a while, or almost.

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{DRAIN, Setting};
use crate::{
    broker::Broker,
    bulk,
    cast::Cast,
    client::{Clients, Habits},
    evidence,
    log::Temper,
    schedule::Component,
    small_disk::SmallDisk,
    stage::Stage,
    support::Kind,
    tally::TALLY,
};

/// How long it stays full.
const FULL: Duration = Duration::from_secs(4);

/// How long a server may take until it goes on by itself. Some end, some do not go on: a supervisor starts them again.
const BY_ITSELF: Duration = Duration::from_secs(10);

/// How long something may take that is noticed at once by a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many events of each queue are on their way at once when acknowledgements do not come through.
const WINDOW: usize = 2;

const QUEUES: usize = 16;

/// The events that the journal has: those that were published.
const PUBLISHED: &str = "SELECT CAST(count(*) AS bigint) FROM journal";

/// Those that the slow handler has still to take.
const BEHIND: &str = "SELECT CAST((SELECT count(*) FROM journal) - (SELECT count(*) FROM effect_ledger) AS bigint)";

const WAITING: &str = "SELECT CAST(count(*) AS bigint) FROM outbox";

/// Events wait in the outbox while the broker cannot write, and everything goes on afterwards.
pub(super) async fn full(setting: Setting) -> Result<(), String> {
    let (folder, database) = setting.database()?;
    // A folder of its own, as the stage's is gone before the server.
    let mount = tempfile::tempdir().map_err(|error| error.to_string())?;
    let megabytes = if setting.kind()? == Kind::Kafka { 256 } else { 96 };
    let Some(disk) = SmallDisk::mount(mount.path(), megabytes, "the_brokers_disk_is_full")? else { return Ok(()) };
    let broker = Broker::start_in(setting.kind()?, mount.path(), "").await?;
    let cast = Cast::of(&[(Component::Api, 1), (Component::Relay, 1), (Component::Worker, 2)]).on(broker.clone());
    let stage = Stage::set(folder, database, &cast).await?;
    let clients = stage.clients(setting.seed, &Habits { pause: 100..300, ..Habits::default() });
    for _ in 0..setting.times(1) {
        sleep(Duration::from_secs(3)).await;
        let ballast = disk.fill();
        sleep(FULL).await;
        fs::remove_file(ballast).map_err(|error| error.to_string())?;
        let goes_on = broker.is_running() && evidence::first_after_now(&stage.database, BY_ITSELF).await.is_some();
        if !goes_on {
            TALLY.note(stage.name(), "started again after its disk was full".to_owned());
            broker.restart().await;
        }
        sleep(Duration::from_secs(3)).await;
    }
    stage.conclude(clients, DRAIN).await.map(drop)
}

/// A server that is short of disk takes nothing more from publishers. Workers go on, acknowledging as ever, health tells, and publishing resumes.
pub(super) async fn alarm(setting: Setting) -> Result<(), String> {
    let (folder, database) = setting.database()?;
    // A folder of its own, as the stage's is gone before the server.
    let mount = tempfile::tempdir().map_err(|error| error.to_string())?;
    let Some(disk) = SmallDisk::mount(mount.path(), 400, "publishers_are_blocked")? else { return Ok(()) };
    let broker = Broker::start_in(setting.kind()?, mount.path(), &format!("&window={WINDOW}")).await?;
    let mut cast = Cast::of(&[(Component::Serve, 1)]).on(broker);
    cast.environment = vec![("ACTIVELOG__WORKER__CONCURRENCY", "8".to_owned())];
    let mut stage = Stage::set(folder, database, &cast).await?;
    let outcome = blocked(&stage, setting, &disk).await;
    match outcome {
        Ok(clients) => stage.conclude(clients, DRAIN).await.map(drop),
        Err(why) => Err(stage.failure(&why)),
    }
}

async fn blocked(stage: &Stage, setting: Setting, disk: &SmallDisk) -> Result<Clients, String> {
    let backlog = bulk::create(stage.base(), &format!("{:x}", setting.seed), 250, Temper::Slow).await?;
    until("all of it is published", || async { number(stage, WAITING).await == Some(0) }).await?;
    let ballast: PathBuf = disk.fill_but(30);
    until("health tells that publishers are blocked", || async { health(stage).await.0 == "degraded" }).await?;
    let told = health(stage).await.1;
    let behind = number(stage, BEHIND).await.unwrap_or_default();
    TALLY.note(stage.name(), format!("blocked, health says {told:?}, {behind} events behind"));
    if behind < i64::try_from(2 * WINDOW * QUEUES).unwrap_or(i64::MAX) {
        return Err(format!("{behind} events are too few to tell whether acknowledgements come through"));
    }
    let published = number(stage, PUBLISHED).await;
    // It stops in time although nothing can be said to the server, and a worker that starts now gets its share.
    stage.take_down(Component::Serve).await;
    stage.bring_up(Component::Serve).await;
    let mut clients = stage.clients(setting.seed, &Habits { pause: 100..300, ..Habits::default() });
    clients.add(backlog);
    let gone_on = || async { number(stage, BEHIND).await == Some(0) && number(stage, WAITING).await > Some(20) };
    if let Err(why) = until("workers go on to the last published event", gone_on).await {
        let (behind, waiting) = (number(stage, BEHIND).await, number(stage, WAITING).await);
        return Err(format!("{why}: {behind:?} are behind, {waiting:?} wait in the outbox"));
    }
    if number(stage, PUBLISHED).await != published {
        return Err("something was published while the server takes nothing".to_owned());
    }
    if health(stage).await.0 != "degraded" || clients.acknowledged() == 0 {
        return Err("health is not degraded, or no request was acknowledged".to_owned());
    }
    fs::remove_file(ballast).map_err(|error| error.to_string())?;
    let begin = Instant::now();
    until("health is up again", || async { health(stage).await.0 == "up" }).await?;
    until("publishing has resumed", || async { number(stage, PUBLISHED).await > published }).await?;
    TALLY.time(stage.name(), "room again to publishing", begin.elapsed());
    Ok(clients)
}

async fn number(stage: &Stage, sql: &'static str) -> Option<i64> {
    stage.database.number(sql).await.ok()
}

/// The broker's status, and what is said of it.
async fn health(stage: &Stage) -> (String, String) {
    let Ok(http) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build() else {
        return Default::default();
    };
    let Ok(answer) = http.get(format!("{}/health", stage.base())).send().await else { return Default::default() };
    let health: Value = answer.json().await.unwrap_or_default();
    let components = health["components"].as_array().cloned().unwrap_or_default();
    let broker = components.into_iter().find(|component| component["name"] == "broker").unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&broker["status"]), broker.to_string())
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) -> Result<(), String> {
    let begin = Instant::now();
    while !holds().await {
        if begin.elapsed() > PATIENCE {
            return Err(format!("{what}: not within {PATIENCE:?}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
