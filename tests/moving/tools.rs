//! Publishing, showing and forgetting, on brokers that are servers.

use std::process::Stdio;

use activelog_application::testing::broker::event;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::timeout,
};

use crate::{
    process::{PATIENCE, Setting},
    support::{self, Kind},
};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a command that is given `input`.
async fn given(setting: &Setting, arguments: &[&str], input: &str) -> std::process::Output {
    let mut command = setting.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    pipe.write_all(input.as_bytes()).await.expect("it reads");
    drop(pipe);
    timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tail_prints_publish_takes() {
    tail_and_publish(Kind::Nats, Kind::Kafka).await;
    tail_and_publish(Kind::Redis, Kind::Nats).await;
}

async fn tail_and_publish(from: Kind, to: Kind) {
    let Some(from) = support::fresh_namespace(from) else { return };
    let Some(to) = support::fresh_namespace(to) else { return };
    let setting = Setting::sqlite();
    let lines = (1..=20).map(|n| serde_json::to_string(&event("thing.done", "thing-1", n)).expect("JSON"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    let published = given(&setting, &["events", "publish", "--broker-url", &from], &lines).await;
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    assert!(text(&published.stdout).ends_with("20 accepted by the broker, 0 not\n"), "{published:?}");

    let tail = ["events", "tail", "--broker", "--output", "json", "--broker-url"];
    let shown = setting.run(&[&tail[..], &[&from]].concat()).await;
    assert!(shown.status.success() && text(&shown.stderr).contains("as the group tail-"), "{shown:?}");
    let again = given(&setting, &["events", "publish", "--broker-url", &to], &text(&shown.stdout)).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    let copied = setting.run(&[&tail[..], &[&to, "--limit", "20"]].concat()).await;
    assert_eq!(text(&copied.stdout), text(&shown.stdout), "byte for byte, in order");

    let bad = given(&setting, &["events", "publish", "--broker-url", &from], &format!("{lines}\nnonsense")).await;
    assert_eq!(bad.status.code(), Some(2), "{bad:?}");
    assert!(text(&bad.stdout).contains("line 21: no event: "), "{bad:?}");
    let unchanged = setting.run(&[&tail[..], &[&from]].concat()).await;
    assert_eq!(text(&unchanged.stdout).lines().count(), 20, "nothing of it was sent");
    assert!(!setting.folder().join("activelog-data").exists(), "no database was needed");
}

/// On RabbitMQ, where what a group leaves behind would fill queues for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_a_broker_leaves_nothing_behind() {
    let Some(url) = support::fresh_namespace(Kind::RabbitMq) else { return };
    let setting = Setting::sqlite();
    let beginning = setting.run(&["events", "tail", "--broker", "--broker-url", &url]).await;
    assert_eq!(beginning.status.code(), Some(2), "it has nothing from before: {beginning:?}");

    let mut command = setting.command(&["events", "tail", "--broker", "--follow", "--broker-url", &url]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let mut notes = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let note = timeout(PATIENCE, notes.next_line()).await.expect("it tells").expect("UTF-8").expect("a line");
    let group = note.rsplit(' ').next().expect("a name").to_owned();
    let lag = ["groups", "lag", &group, "--output", "json", "--broker-url", &url];
    let events = async || {
        let told = setting.run(&lag).await;
        assert!(told.status.success(), "{told:?}");
        serde_json::from_slice::<Value>(&told.stdout).expect("JSON")["events"].clone()
    };
    let line = serde_json::to_string(&event("thing.done", "thing-1", 1)).expect("JSON");
    // Refused as long as no group has a queue for it: tried again until then.
    let published = given(&setting, &["events", "publish", "--broker-url", &url], &line).await;
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    let mut shown = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let shown = timeout(PATIENCE, shown.next_line()).await.expect("it follows").expect("UTF-8");
    assert!(shown.is_some_and(|line| line.contains("thing.done")));

    let busy = setting.run(&["groups", "remove", &group, "--broker-url", &url]).await;
    assert_eq!(busy.status.code(), Some(1), "{busy:?}");
    assert!(text(&busy.stderr).contains("in use"), "{busy:?}");
    let pid = Pid::from_raw(child.id().and_then(|pid| pid.try_into().ok()).expect("it runs"));
    kill(pid, Signal::SIGINT).expect("it is ours");
    let ended = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("it runs");
    assert_eq!(ended.code(), Some(0));
    assert_eq!(events().await, Value::Null, "its queues are gone");

    // A group that a kill has left is there until it is removed.
    let begun = setting.run(&["groups", "begin", &group, "--from", "now", "--broker-url", &url]).await;
    assert!(begun.status.success(), "{begun:?}");
    assert_eq!(events().await, 0);
    let removed = setting.run(&["groups", "remove", &group, "--broker-url", &url]).await;
    assert!(removed.status.success(), "{removed:?}");
    assert_eq!(events().await, Value::Null);
}
