//! The commands that show something.

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    process::{PATIENCE, Setting},
};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[tokio::test]
async fn events_are_shown() {
    let setting = Setting::sqlite();
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    for day in 1..=5 {
        client.create(&activity(Uuid::from_u128(1), day, 30)).await;
    }
    setting.store.settles_with(5).await;
    // Beside the running program, and without it.
    let beside = setting.run(&["events", "tail", "--output", "json"]).await;
    serve.stop().await;
    let alone = setting.run(&["events", "tail", "--output", "json"]).await;
    for output in [&beside, &alone] {
        assert!(output.status.success(), "{output:?}");
        let lines: Vec<Value> = text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 5);
        assert!(
            lines.iter().all(|line| line["event"]["specversion"] == "1.0" && line["position"].is_u64()),
            "{lines:?}"
        );
    }
    let one = setting.run(&["events", "tail", "--limit", "1", "--type", "activity.created"]).await;
    assert_eq!(text(&one.stdout).lines().count(), 1, "{one:?}");
    let none = setting.run(&["events", "tail", "--type", "activity.deleted"]).await;
    assert!(none.status.success() && none.stdout.is_empty(), "{none:?}");
}

/// Looking for events where there is no database makes none, and no folder for one, wherever it was named.
#[tokio::test]
async fn looking_makes_no_database() {
    let setting = Setting::sqlite();
    std::fs::create_dir(setting.folder().join("empty")).unwrap();
    for (flags, path) in [
        (&[][..], "./activelog-data/activelog.db"),
        (&["--data-dir", "missing"], "missing/activelog.db"),
        (&["--data-dir", "missing/deeper"], "missing/deeper/activelog.db"),
        (&["--data-dir", "empty"], "empty/activelog.db"),
        (&["--database-url", "sqlite:other.db"], "other.db"),
    ] {
        let output = setting.run(&[&["events", "tail"], flags].concat()).await;
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let told = format!("there is no database at {path}; run `activelog serve` or `activelog migrate`");
        assert!(errors.contains(&told) && output.stdout.is_empty(), "{errors}");
        let there: Vec<_> = std::fs::read_dir(setting.folder()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(there, ["empty"], "{errors}");
        assert!(std::fs::read_dir(setting.folder().join("empty")).unwrap().next().is_none(), "{errors}");
    }
}

#[tokio::test]
async fn completions_and_configuration_are_shown() {
    let setting = Setting::sqlite();
    let completions = setting.run(&["completions", "bash"]).await;
    assert!(completions.status.success() && text(&completions.stdout).contains("complete -F"), "{completions:?}");

    let mut command = setting.command(&["config", "--output", "json", "--listen", "127.0.0.1:9999"]);
    command.env("ACTIVELOG_DATABASE_URL", "postgres://anna:hush@db.example/log").env("ACTIVELOG__LOG__FILTER", "warn");
    let config = crate::process::run(command).await;
    assert!(config.status.success() && !text(&config.stdout).contains("hush"), "{config:?}");
    let values: Value = serde_json::from_slice(&config.stdout).unwrap();
    assert_eq!(values["server.listen"]["value"], "127.0.0.1:9999");
    let source = |key: &str| values[key]["source"].as_str().expect("a source").to_owned();
    assert!(source("server.listen").contains("--listen"), "{}", source("server.listen"));
    assert!(source("log.filter").contains("ACTIVELOG__LOG__FILTER"), "{}", source("log.filter"));
    assert!(source("broker.url").contains("default"), "{}", source("broker.url"));
    assert!(std::fs::read_dir(setting.folder()).unwrap().next().is_none(), "showing writes nothing");
}

/// Colour codes are for terminals, and this is a file.
#[tokio::test]
async fn logs_in_a_file_are_plain() {
    let setting = Setting::sqlite();
    let mut serve = setting.start("serve").await;
    serve.signal(Signal::SIGTERM);
    assert!(serve.ended(PATIENCE).await.success());
    let log = serve.log();
    assert!(log.contains("INFO") && !log.contains('\u{1b}'), "{log}");
}

/// Ctrl-C is how following events ends: there is nothing to tell about it.
#[tokio::test]
async fn following_events_ends_without_a_word() {
    let setting = Setting::sqlite();
    let serve = setting.start("serve").await;
    Client::new(serve.base()).create(&activity(Uuid::from_u128(1), 1, 30)).await;
    let mut command = setting.command(&["events", "tail", "--follow", "--from", "beginning"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.expect("it follows").unwrap();
    assert!(line.is_some_and(|line| line.contains("activity.created")));
    let pid = Pid::from_raw(child.id().and_then(|pid| pid.try_into().ok()).expect("it runs"));
    kill(pid, Signal::SIGINT).expect("it is ours");
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    serve.stop().await;
}
