//! Replays as an operator meets them: by the command, beside a running program.

use std::{process::Output, sync::Arc};

use activelog_application::ports::Replays;
use activelog_infrastructure::{
    clock::SystemClock,
    persistence::sqlite::{SqliteDatabase, SqliteOptions},
};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    process::{PATIENCE, Program, Setting},
    store::Store,
    support::eventually,
};

const HANDLERS: [&str; 3] = ["period-statistics", "achievements", "leaderboard"];

/// Writes into the projections beside the program.
async fn spoil(setting: &Setting) {
    let Store::Sqlite(path) = &setting.store else { panic!("only on SQLite") };
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the file is there");
    for sql in [
        "UPDATE period_statistics SET activities = activities + 5, duration_minutes = 1",
        "UPDATE leaderboard SET activities = activities + 5, duration_minutes = 1",
        "DELETE FROM efforts",
    ] {
        sqlx::query(sql).execute(&mut connection).await.expect("it is spoilt");
    }
    connection.close().await.expect("it closes");
}

/// Creates activities, one after the other.
async fn create(program: &Program, user: Uuid, number: u64) {
    let client = Client::new(program.base());
    for n in 1..=number {
        client.create(&activity(user, u8::try_from(1 + n % 28).expect("a day"), 20 + n % 50)).await;
    }
}

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_mends_projections_while_activities_are_created() {
    let setting = Setting::sqlite();
    let program = setting.start("serve").await;
    let user = Uuid::from_u128(0xa);
    create(&program, user, 120).await;
    setting.store.settles_with(120).await;
    let notified = "SELECT count(*) FROM notifications WHERE kind = 'achievement.unlocked'";
    let before = setting.store.numbers(notified).await;
    spoil(&setting).await;
    let replays = async {
        for handler in HANDLERS {
            let output = setting.run(&["events", "replay", "--handler", handler, "--output", "json"]).await;
            let summary = summary(&output);
            assert_eq!((&summary["handler"], &summary["status"]), (&handler.into(), &"completed".into()));
            assert!(summary["replayed"].as_u64() >= Some(120), "{summary}");
        }
    };
    tokio::join!(replays, create(&program, Uuid::from_u128(0xb), 150));
    setting.store.settles_with(270).await;
    // The second user's own: the first activity, ten, a hundred, the longest run and seven days in a row.
    let after = setting.store.numbers(notified).await;
    assert_eq!(after[0], 2 * before[0], "the first user is not told twice");
    let client = Client::new(program.base());
    assert_eq!(client.get("/health").await["status"], "up");
    program.stop().await;
}

/// Begins a replay and leaves it, as a command does that is killed.
async fn begin(setting: &Setting, handler: &str) {
    let Store::Sqlite(path) = &setting.store else { panic!("only on SQLite") };
    let database = SqliteDatabase::open(SqliteOptions::new(path), Arc::new(SystemClock)).await.expect("a database");
    Replays::begin(&database, handler, None, None).await.expect("a replay");
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_was_killed_is_told_of_and_resumed() {
    let setting = Setting::sqlite();
    let program = setting.start("serve").await;
    let client = Client::new(program.base());
    create(&program, Uuid::from_u128(0xa), 30).await;
    setting.store.settles_with(30).await;
    spoil(&setting).await;
    begin(&setting, "leaderboard").await;
    let health = client.get("/health").await;
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health.to_string().contains("the replay of leaderboard that began at "), "{health}");
    create(&program, Uuid::from_u128(0xa), 10).await;
    eventually("what arrives is parked", PATIENCE, async || {
        (client.get("/health").await["failures"]["parked_events"] == 10).then_some(())
    })
    .await;
    let other = setting.run(&["events", "replay", "--handler", "leaderboard", "--from", "2026-03-12"]).await;
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    let errors = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(errors.contains("resume it first with: activelog events replay --handler leaderboard\n"), "{errors}");
    for handler in HANDLERS {
        let again = setting.run(&["events", "replay", "--handler", handler]).await;
        assert!(again.status.success(), "{again:?}");
    }
    setting.store.settles_with(40).await;
    assert_eq!(client.get("/health").await["status"], "up");
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_use_says_what_there_is() {
    let setting = Setting::sqlite();
    assert!(setting.run(&["migrate"]).await.status.success());
    for (arguments, expected) in [
        (vec!["--handler", "statistics"], "achievements, leaderboard, period-statistics"),
        (vec!["--handler", "webhook-delivery"], "is no projection"),
        (vec!["--handler", "leaderboard", "--from", "2026-03-12", "--to", "2026-03-12"], "is not before --to"),
    ] {
        let output = setting.run(&[&["events", "replay"], arguments.as_slice()].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(errors.contains(expected), "{errors}");
    }
}
