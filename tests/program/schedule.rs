//! Scheduled events, while what publishes them is killed again and again: each once, in the order of their times.

use std::{sync::Arc, time::Duration};

use activelog_application::{
    activity::ports::Repositories,
    ports::{Clock, Isolation, Journal, PARTITIONS, Partition, ScheduledEvents, TransactionOptions, UnitOfWorkFactory},
    testing::broker::event,
};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    clock::SystemClock,
    persistence::sqlite::{SqliteDatabase, SqliteOptions},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    process::{PATIENCE, Setting},
    store::Store,
    support::{self, eventually},
};

const EVENTS: u64 = 400;

/// Small batches, so that there are many moments to be killed at.
const CONFIGURATION: &str = "[relay]\nbatch = 7\nlease_ttl = \"500ms\"\npoll_interval = \"20ms\"\n";

/// The database, as the program has it.
trait Database: UnitOfWorkFactory<dyn Repositories> + ScheduledEvents + Journal {}
impl<T: UnitOfWorkFactory<dyn Repositories> + ScheduledEvents + Journal> Database for T {}

async fn open(setting: &Setting) -> Arc<dyn Database> {
    let clock = Arc::new(SystemClock);
    match &setting.store {
        Store::Sqlite(path) => {
            let database = SqliteDatabase::open(SqliteOptions::new(path), clock).await.expect("a database");
            database.migrate().await.expect("a schema");
            Arc::new(database)
        }
        #[cfg(feature = "postgres")]
        Store::Postgres(url) => {
            use activelog_infrastructure::persistence::postgres::{PgDatabase, PgOptions};
            let options = PgOptions::new(url).expect("a URL");
            let database = PgDatabase::connect(options, clock).await.expect("a database");
            database.migrate().await.expect("a schema");
            Arc::new(database)
        }
        #[cfg(not(feature = "postgres"))]
        Store::Postgres(_) => panic!("compiled without PostgreSQL"),
    }
}

fn in_millis(millis: i64) -> Timestamp {
    SystemClock.now().checked_add(SignedDuration::from_millis(millis)).expect("a time")
}

async fn schedule(database: &dyn Database, events: &[(EventEnvelope, Timestamp)]) {
    let options = TransactionOptions::new(Isolation::ReadCommitted, PATIENCE);
    let mut uow = database.begin(options).await.expect("a unit of work");
    for (event, due) in events {
        uow.outbox().schedule(event, *due).await.expect("scheduled");
    }
    uow.commit().await.expect("committed");
}

/// Sequences in the order of the journal, by partition.
async fn published(database: &dyn Database) -> Vec<Vec<u64>> {
    let mut all = Vec::new();
    for partition in (0..PARTITIONS).map(Partition) {
        let entries = database.read(partition, 0, 1_000).await.expect("a journal");
        all.push(entries.iter().map(|entry| entry.event.sequence).collect());
    }
    all
}

async fn each_is_published_once(setting: &Setting, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    std::fs::write(setting.folder().join("activelog.toml"), CONFIGURATION).expect("a configuration");
    let database = open(setting).await;
    // Half of them are due already, the others while relays come and go. The sequence is the place in the order of times.
    let of = |n: u64| {
        let due = in_millis(i64::try_from(n).expect("small") * 10 - 2_000);
        (event("thing.due", &format!("thing-{}", n % 40), n), due)
    };
    let mut events: Vec<_> = (1..=EVENTS).map(of).collect();
    random.shuffle(&mut events);
    schedule(&*database, &events).await;
    let never = event("thing.never", "thing-never", 1);
    schedule(&*database, &[(never.clone(), in_millis(3_600_000))]).await;

    for _ in 0..6 {
        let relay = setting.start_with("relay", &[]).await;
        tokio::time::sleep(Duration::from_millis(random.u64(0..400))).await;
        relay.kill().await;
    }
    let relay = setting.start_with("relay", &[]).await;
    eventually("everything that is due is published", PATIENCE, async || {
        let all: usize = published(&*database).await.iter().map(Vec::len).sum();
        (all as u64 >= EVENTS).then_some(())
    })
    .await;
    listed_and_cancelled(setting, never.id).await;
    relay.stop().await;
    let found = published(&*database).await;
    let mut all: Vec<u64> = found.iter().flatten().copied().collect();
    all.sort_unstable();
    assert_eq!(all, (1..=EVENTS).collect::<Vec<_>>(), "each once");
    assert!(found.iter().all(|partition| partition.is_sorted()), "out of the order of times: {found:?}");
    assert_eq!(database.next_due().await.expect("an answer"), None, "the schedule is empty");
}

async fn listed_and_cancelled(setting: &Setting, never: Uuid) {
    let id = never.to_string();
    let list = setting.run(&["events", "scheduled", "list", "--output", "json"]).await;
    let lines = String::from_utf8(list.stdout).expect("UTF-8");
    assert!(lines.lines().count() == 1 && lines.contains(&id), "{lines}");
    let cancel = setting.run(&["events", "scheduled", "cancel", &id]).await;
    assert_eq!(cancel.status.code(), Some(0));
    let again = setting.run(&["events", "scheduled", "cancel", &id]).await;
    let said = String::from_utf8(again.stdout).expect("UTF-8");
    assert!(again.status.code() == Some(1) && said.contains("not on the schedule"), "{said}");
    let list = setting.run(&["events", "scheduled", "list"]).await;
    assert!(list.status.success() && list.stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scheduled_events_survive_kills_on_sqlite() {
    each_is_published_once(&Setting::sqlite(), support::seed("scheduled_events_survive_kills_on_sqlite")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scheduled_events_survive_kills_on_postgres() {
    let Some(setting) = Setting::postgres() else { return };
    each_is_published_once(&setting, support::seed("scheduled_events_survive_kills_on_postgres")).await;
}
