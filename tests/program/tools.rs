//! The commands that show something.

use serde_json::Value;
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    process::Setting,
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

/// Looking for events where there is no database makes none.
#[tokio::test]
async fn looking_makes_no_database() {
    let setting = Setting::sqlite();
    let output = setting.run(&["events", "tail"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(!setting.folder().join("activelog-data").exists(), "{output:?}");
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
