//! `activelog doctor`: what it says, how it ends, and that it changes nothing.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

use serde_json::Value;
use uuid::Uuid;

use crate::{
    client::{Client, activity},
    process::{Setting, run},
};

/// Every file below a folder with what it holds.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).expect("a file"));
        }
    }
    all
}

/// What it printed as JSON, with its exit code.
async fn diagnosis(setting: &Setting, flags: &[&str]) -> (Option<i32>, Value) {
    let output = setting.run(&[&["doctor", "--output", "json"], flags].concat()).await;
    let whole = serde_json::from_slice(&output.stdout);
    (output.status.code(), whole.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

/// The finding of this severity that has these words.
fn found<'a>(whole: &'a Value, about: &str, severity: &str, words: &str) -> &'a Value {
    let findings = whole["findings"].as_array().expect("a list");
    let that = |finding: &&Value| {
        finding["about"] == about
            && finding["severity"] == severity
            && finding["what"].as_str().is_some_and(|what| what.contains(words))
    };
    findings.iter().find(that).unwrap_or_else(|| panic!("no {severity} of {about} with {words:?}: {whole:#}"))
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn an_installation_that_is_well_has_nothing_to_mend() {
    let setting = Setting::sqlite();
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    for day in 1..=3 {
        client.create(&activity(Uuid::from_u128(1), day, 30)).await;
    }
    setting.store.settles_with(3).await;
    // Beside the running program, and without it.
    let (beside, whole) = diagnosis(&setting, &[]).await;
    assert_eq!((beside, &whole["errors"]), (Some(0), &0.into()), "{whole:#}");
    serve.stop().await;
    let before = files(&setting.folder().join("activelog-data"));
    let (alone, whole) = diagnosis(&setting, &[]).await;
    assert_eq!((alone, &whole["errors"]), (Some(0), &0.into()), "{whole:#}");
    found(&whole, "configuration", "ok", "it is valid");
    found(&whole, "database", "ok", "SQLite 3.");
    found(&whole, "database", "ok", "the schema is up to date");
    found(&whole, "database", "ok", "synchronous=FULL");
    found(&whole, "broker", "ok", "the journal in the database; round trip");
    found(&whole, "broker", "ok", "through a loss of power");
    found(&whole, "broker", "ok", "group activelog has 0 events to take");
    found(&whole, "permissions", "ok", "is writable");
    assert_eq!(files(&setting.folder().join("activelog-data")), before, "it changes nothing");
    let text = setting.run(&["doctor"]).await;
    assert!(printed(&text).contains("broker\n  ok       the journal in the database"), "{}", printed(&text));
    assert!(printed(&text).contains("\n0 errors, "), "{}", printed(&text));
}

#[tokio::test]
async fn before_the_first_start_it_says_what_to_do_and_makes_nothing() {
    let setting = Setting::sqlite();
    let (code, whole) = diagnosis(&setting, &[]).await;
    assert_eq!(code, Some(0), "{whole:#}");
    let missing = found(&whole, "database", "warning", "there is no database at ./activelog-data/activelog.db yet");
    assert!(missing["means"].as_str().is_some_and(|means| means.contains("activelog migrate")), "{whole:#}");
    assert!(files(setting.folder()).is_empty(), "it makes nothing");
    fs::write(setting.folder().join("other.db"), "this is no database").unwrap();
    let (code, whole) = diagnosis(&setting, &["--database-url", "sqlite:other.db"]).await;
    assert_eq!(code, Some(1));
    found(&whole, "database", "error", "is not a SQLite database");
}

/// Port 1 of this machine has nobody: whatever the broker, it says so, what to do, and no password.
#[tokio::test]
async fn a_broker_that_is_not_there_is_an_error() {
    let mut urls = vec!["socket:x", "unknown://ann:hush@127.0.0.1:1"];
    for (there, url) in [
        (cfg!(feature = "redis"), "redis://ann:hush@127.0.0.1:1"),
        (cfg!(feature = "nats"), "nats://ann:hush@127.0.0.1:1"),
        (cfg!(feature = "rabbitmq"), "amqp://ann:hush@127.0.0.1:1"),
        (cfg!(feature = "kafka"), "kafka://ann:hush@127.0.0.1:1"),
    ] {
        urls.extend(there.then_some(url));
    }
    let setting = Setting::sqlite();
    assert!(setting.run(&["migrate"]).await.status.success());
    for url in urls {
        for output in ["text", "json"] {
            let mut command = setting.command(&["doctor", "--output", output]);
            command.env("ACTIVELOG_BROKER_URL", url);
            let output = run(command).await;
            let printed = printed(&output);
            assert_eq!(output.status.code(), Some(1), "{url}: {printed}");
            assert!(printed.contains("nothing is lost") && !printed.contains("hush"), "{url}: {printed}");
            assert!(printed.contains("do: ") || printed.contains("\"advice\": \"c"), "{url}: {printed}");
        }
    }
}

#[tokio::test]
async fn a_password_that_others_can_read_is_told_of() {
    let setting = Setting::sqlite();
    let file = setting.folder().join("activelog.toml");
    fs::write(&file, "[broker]\nurl = \"redis://ann:hush@127.0.0.1:1\"\n").unwrap();
    for (mode, severity, words) in [(0o644, "warning", "other users can read"), (0o600, "ok", "no other user can read")]
    {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let (_, whole) = diagnosis(&setting, &[]).await;
        found(&whole, "permissions", severity, words);
        assert!(!whole.to_string().contains("hush"), "{whole:#}");
    }
}

#[tokio::test]
async fn wrong_use_and_a_wrong_configuration_are_not_looked_at() {
    let setting = Setting::sqlite();
    assert_eq!(setting.run(&["doctor", "--output", "xml"]).await.status.code(), Some(2));
    fs::write(setting.folder().join("activelog.toml"), "[broker]\nurll = \"database:\"\n").unwrap();
    let output = setting.run(&["doctor"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(printed(&output).contains("broker.url"), "{}", printed(&output));
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_is_asked_for_its_settings() {
    let Some(url) = crate::support::fresh_database() else { return };
    let setting = Setting::on(url.clone());
    let (code, whole) = diagnosis(&setting, &[]).await;
    assert_eq!(code, Some(0), "{whole:#}");
    found(&whole, "database", "warning", "the schema has not been made yet");
    assert!(setting.run(&["migrate"]).await.status.success());
    let (code, whole) = diagnosis(&setting, &[]).await;
    assert_eq!(code, Some(0), "{whole:#}");
    found(&whole, "database", "ok", "PostgreSQL ");
    found(&whole, "database", "ok", "commits are synced");
    found(&whole, "clock", "ok", "the clock of the database is 0.");
    let careless = Setting::on(format!("{url}?options=-c%20synchronous_commit%3Doff"));
    let (code, whole) = diagnosis(&careless, &[]).await;
    assert_eq!(code, Some(1), "{whole:#}");
    found(&whole, "database", "error", "synchronous_commit is off");
    let away = Setting::on("postgres://ann:hush@127.0.0.1:1/log".to_owned());
    let (code, whole) = diagnosis(&away, &[]).await;
    assert_eq!(code, Some(1), "{whole:#}");
    let error = found(&whole, "database", "error", "127.0.0.1:1, database log cannot be opened");
    assert!(error["advice"].as_str().is_some_and(|advice| advice.contains("check that PostgreSQL runs")), "{whole:#}");
    assert!(!whole.to_string().contains("hush"), "{whole:#}");
}

/// A broker that is a server: before anything is there, and while the program works with it.
#[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
async fn on_a_server(kind: crate::support::Kind, product: &str) {
    let Some(url) = crate::support::fresh_namespace(kind) else { return };
    let setting = Setting::sqlite().with_broker(url);
    assert!(setting.run(&["migrate"]).await.status.success());
    let (code, whole) = diagnosis(&setting, &[]).await;
    assert_eq!((code, &whole["errors"]), (Some(0), &0.into()), "{whole:#}");
    found(&whole, "broker", "ok", product);
    // Streams of Redis come with their first event: there is nothing to make.
    if kind != crate::support::Kind::Redis {
        found(&whole, "broker", "ok", "what carries events is not all there yet");
    }
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    for day in 1..=3 {
        client.create(&activity(Uuid::from_u128(1), day, 30)).await;
    }
    setting.store.settles_with(3).await;
    let looked = async |words: &'static str| {
        let told = async || {
            let (code, whole) = diagnosis(&setting, &[]).await;
            assert_eq!((code, &whole["errors"]), (Some(0), &0.into()), "{whole:#}");
            found(&whole, "broker", "ok", product);
            found(&whole, "broker", "ok", "through a loss of power; broker.require_durability asks for");
            whole.to_string().contains(words).then_some(())
        };
        crate::support::eventually(words, crate::process::PATIENCE, told).await;
    };
    // RabbitMQ tells of a queue how many wait only while nobody has it.
    if kind == crate::support::Kind::RabbitMq {
        looked("it cannot be told from here how far group activelog is behind").await;
    } else {
        looked("group activelog has 0 events to take").await;
    }
    serve.stop().await;
    looked("group activelog has 0 events to take").await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn on_redis() {
    on_a_server(crate::support::Kind::Redis, "Redis ").await;
}

#[cfg(feature = "nats")]
#[tokio::test]
async fn on_nats() {
    on_a_server(crate::support::Kind::Nats, "NATS 2.").await;
}

#[cfg(feature = "rabbitmq")]
#[tokio::test]
async fn on_rabbitmq() {
    on_a_server(crate::support::Kind::RabbitMq, "RabbitMQ ").await;
}

#[cfg(feature = "kafka")]
#[tokio::test]
async fn on_kafka() {
    on_a_server(crate::support::Kind::Kafka, "Kafka").await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn a_careless_broker_is_told_of_by_the_doctor_and_in_health() {
    use crate::support::{Kind, PrivateBroker};
    let Some(server) = PrivateBroker::start_with(Kind::Redis, |_| Kind::Redis.careless().to_owned()) else {
        return crate::support::broker_left_out(Kind::Redis);
    };
    let setting = Setting::sqlite().with_broker(server.url("careless"));
    let serve = setting.start("serve").await;
    let client = Client::new(serve.base());
    let broker = crate::support::eventually("the broker is asked", crate::process::PATIENCE, async || {
        let health = client.get("/health").await;
        let components = health["components"].as_array().expect("a list").clone();
        components.into_iter().find(|part| part["name"] == "broker" && part["server"].is_string())
    });
    let broker = broker.await;
    assert!(broker["server"].as_str().is_some_and(|server| server.starts_with("Redis 7.")), "{broker:#}");
    assert!(broker["round_trip_ms"].as_f64().is_some_and(|millis| millis > 0.0), "{broker:#}");
    assert_eq!((&broker["status"], broker["warnings"].as_array().map(Vec::len)), (&"up".into(), Some(2)), "{broker:#}");
    assert!(broker["warnings"].to_string().contains("appendfsync is everysec"), "{broker:#}");
    assert_eq!(client.status("/health/ready").await, 200, "readiness does not depend on it");
    serve.stop().await;
    let mut command = setting.command(&["doctor", "--output", "json"]);
    command.env("ACTIVELOG__BROKER__REQUIRE_DURABILITY", "power-loss");
    let output = run(command).await;
    let whole: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{whole:#}");
    found(&whole, "broker", "ok", "Redis 7.");
    found(&whole, "broker", "warning", "appendfsync is everysec");
    found(&whole, "broker", "error", "maxmemory-policy is allkeys-lru");
    found(&whole, "broker", "error", "the configuration requires a loss of power");
    found(&whole, "clock", "ok", "the clock of the broker is 0.");
}
