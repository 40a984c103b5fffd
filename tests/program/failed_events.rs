//! Dead letters and parked events as an operator meets them: by the commands, beside running programs and without.

use std::{process::Output, sync::Arc};

use activelog_application::ports::{Addressed, AfterDeadLetter, DeathReason, Failures, ParkingStore};
use activelog_domain::event::EventEnvelope;
use activelog_infrastructure::{
    clock::SystemClock,
    persistence::sqlite::{SqliteDatabase, SqliteOptions},
};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    client::Client,
    process::{PATIENCE, Setting},
    store::Store,
    support::eventually,
};

/// A handler of the program, and one that nobody runs.
const KNOWN: &str = "period-statistics";
const UNKNOWN: &str = "no-longer-there";

const DIED: Timestamp = Timestamp::constant(1_773_338_400, 0);

/// The creation of activity `n`.
fn created(n: u128) -> EventEnvelope {
    let text = include_str!("../../crates/domain/tests/golden/activity.created.v1.json");
    let mut event: Value = serde_json::from_str(text).expect("JSON");
    let (activity, user) = (Uuid::from_u128(n), Uuid::from_u128(0xa));
    event["id"] = json!(Uuid::from_u128(0xe000 + n));
    event["subject"] = json!(format!("activity-{activity}"));
    event["partitionkey"] = event["subject"].clone();
    event["data"]["activity"]["activity_id"] = json!(activity);
    event["data"]["activity"]["user_id"] = json!(user);
    serde_json::from_str(&event.to_string()).expect("a CloudEvent")
}

fn addressed(handler: &str, n: u128) -> Addressed {
    Addressed { handler: handler.to_owned(), group: "activelog".to_owned(), event: Arc::new(created(n)) }
}

fn failures(error: &str) -> Failures {
    Failures { attempts: 12, first_at: DIED, last_at: DIED, error: error.to_owned() }
}

/// Puts failed events into the database, through the ports, as a worker would.
async fn fill(setting: &Setting, work: impl AsyncFnOnce(&dyn ParkingStore)) {
    let migrated = setting.run(&["migrate"]).await;
    assert!(migrated.status.success(), "{migrated:?}");
    match &setting.store {
        Store::Sqlite(path) => {
            let opened = SqliteDatabase::open(SqliteOptions::new(path), Arc::new(SystemClock)).await;
            let database = opened.expect("the file is there");
            work(&database).await;
            database.close().await;
        }
        #[cfg(feature = "postgres")]
        Store::Postgres(url) => {
            use activelog_infrastructure::persistence::postgres::{PgDatabase, PgOptions};
            let options = PgOptions::new(url).expect("a URL");
            let database = PgDatabase::connect(options, Arc::new(SystemClock)).await.expect("the server is there");
            work(&database).await;
            database.close().await;
        }
        #[cfg(not(feature = "postgres"))]
        Store::Postgres(_) => panic!("compiled without PostgreSQL"),
    }
}

async fn bury(store: &dyn ParkingStore, handler: &str, n: u128, reason: DeathReason) {
    let (addressed, failures) = (addressed(handler, n), failures("no figures: connection refused"));
    let buried = store.bury(&addressed, reason, &failures, AfterDeadLetter::Continue).await;
    assert!(buried.expect("the database takes it"), "{n}");
}

fn text(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("UTF-8")
}

fn errors(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    text(output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The numbers of the dead letters that a list has.
async fn listed(setting: &Setting, filter: &[&str]) -> Vec<i64> {
    let output = setting.run(&[&["dead-letters", "list", "--output", "json"], filter].concat()).await;
    lines(&output).iter().map(|letter| letter["id"].as_i64().expect("a number")).collect()
}

/// Without any other program: what there is, is shown, and done something about, by number and by filter.
async fn the_commands_alone(setting: &Setting) {
    fill(setting, async |store| {
        bury(store, UNKNOWN, 1, DeathReason::Exhausted).await;
        bury(store, UNKNOWN, 2, DeathReason::Undecodable).await;
        bury(store, "other", 3, DeathReason::Exhausted).await;
        store.park(&addressed("other", 4), Some(&failures("later")), DIED).await.expect("the database takes it");
    })
    .await;
    assert_eq!(listed(setting, &[]).await, [3, 2, 1]);
    assert_eq!(listed(setting, &["--handler", UNKNOWN, "--reason", "exhausted"]).await, [1]);
    assert_eq!(listed(setting, &["--subject", &Uuid::from_u128(2).to_string()]).await, [2]);
    assert_eq!(
        listed(setting, &["--event", "activity.created", "--from", "2026-03-12", "--to", "2026-03-13"]).await.len(),
        3
    );
    assert!(listed(setting, &["--to", "2026-03-12"]).await.is_empty());

    let shown = setting.run(&["dead-letters", "show", "2"]).await;
    assert!(
        text(&shown).contains("undecodable after 12 attempts") && text(&shown).contains("\"specversion\": \"1.0\""),
        "{shown:?}"
    );
    let missing = setting.run(&["dead-letters", "show", "9"]).await;
    assert_eq!((missing.status.code(), text(&missing)), (Some(1), ""));
    assert!(errors(&missing).contains("there is no dead letter 9"), "{missing:?}");
    let parked = setting.run(&["parked", "list"]).await;
    assert!(text(&parked).contains("later") && text(&parked).lines().count() == 2, "{parked:?}");

    let everything = setting.run(&["dead-letters", "replay"]).await;
    assert_eq!(everything.status.code(), Some(2), "{everything:?}");
    assert!(errors(&everything).contains("nothing says which"), "{everything:?}");
    let dry = setting.run(&["dead-letters", "replay", "--all", "--dry-run"]).await;
    assert!(text(&dry).starts_with("3 would be replayed\n"), "{dry:?}");
    assert_eq!(listed(setting, &["--state", "dead"]).await, [3, 2, 1], "a dry run changes nothing");

    let some = setting.run(&["dead-letters", "replay", "1", "9"]).await;
    assert_eq!((some.status.code(), text(&some)), (Some(3), "1: replayed\n9: there is no such dead letter\n"));
    let again = setting.run(&["dead-letters", "replay", "1"]).await;
    assert_eq!((again.status.code(), text(&again)), (Some(1), "1: is being replayed; nothing was done\n"));
    let parked = lines(&setting.run(&["parked", "list", "--handler", UNKNOWN, "--output", "json"]).await);
    assert_eq!((parked.len(), &parked[0]["attempts"]), (1, &json!(0)));
    let discarded = setting.run(&["dead-letters", "discard", "--reason", "undecodable", "--output", "json"]).await;
    assert_eq!(lines(&discarded)[0]["done"], 1);
    let rest = setting.run(&["dead-letters", "discard", "--all"]).await;
    assert_eq!((rest.status.code(), text(&rest)), (Some(0), "1 discarded\n"));
    let none = setting.run(&["dead-letters", "discard", "--all"]).await;
    assert_eq!((none.status.code(), text(&none)), (Some(0), "No dead letters match: nothing to discard\n"));
    assert_eq!(listed(setting, &["--state", "discarded"]).await, [3, 2]);
}

/// Beside a running program: its worker takes what is replayed, once.
async fn beside_serve(setting: &Setting) {
    const LETTERS: u32 = 600;
    fill(setting, async |store| {
        for n in 1..=LETTERS {
            bury(store, KNOWN, n.into(), DeathReason::Exhausted).await;
        }
    })
    .await;
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    let figures = async || client.get("/health").await["failures"].clone();
    assert_eq!(figures().await, json!({ "dead_letters": LETTERS, "parked_events": 0, "held_lanes": 0 }));
    let first =
        setting.run(&["dead-letters", "replay", "--handler", KNOWN, "--limit", "100", "--output", "json"]).await;
    assert_eq!((&lines(&first)[0]["done"], &lines(&first)[0]["remaining"]), (&json!(100), &json!(500)), "{first:?}");
    // A request ends after some seconds, and the next one goes on: how many it takes is the machine's affair.
    let (mut done, mut body) = (0, json!({ "handler": KNOWN }));
    while body["cursor"] != Value::Null || done == 0 {
        let answer = client.request(Method::POST, "/dead-letters/replay").json(&body).send().await.expect("an answer");
        let report: Value = answer.json().await.expect("JSON");
        done += report["done"].as_u64().unwrap_or_else(|| panic!("{report}"));
        body["cursor"] = report["next_cursor"].clone();
    }
    assert_eq!(done, 500);
    eventually("everything is taken", PATIENCE, async || {
        (figures().await == json!({ "dead_letters": 0, "parked_events": 0, "held_lanes": 0 })).then_some(())
    })
    .await;
    assert_eq!(listed(setting, &["--state", "replayed", "--limit", "1000"]).await.len(), LETTERS as usize);
    let counted = "SELECT CAST(sum(activities) AS bigint) FROM period_statistics WHERE period = 'week'";
    assert_eq!(setting.store.numbers(counted).await, [i64::from(LETTERS)], "each has its effect once");
    serve.stop().await;
}

#[tokio::test]
async fn failed_events_by_the_commands_alone() {
    the_commands_alone(&Setting::sqlite()).await;
}

#[tokio::test]
async fn failed_events_by_the_commands_alone_on_postgres() {
    if let Some(setting) = Setting::postgres() {
        the_commands_alone(&setting).await;
    }
}

#[tokio::test]
async fn what_is_replayed_is_taken_by_a_running_worker() {
    beside_serve(&Setting::sqlite()).await;
}

#[tokio::test]
async fn what_is_replayed_is_taken_by_a_running_worker_on_postgres() {
    if let Some(setting) = Setting::postgres() {
        beside_serve(&setting).await;
    }
}
