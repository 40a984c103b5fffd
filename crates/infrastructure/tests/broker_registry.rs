//! Which adapter a URL chooses, and what the registry answers when there is none.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use activelog_application::{ports::Durability, testing::memory_storage::MemoryStorage};
use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources, JournalResources, require_durability},
    id_generator::UuidV7Generator,
};

fn resources(with_journal: bool) -> BrokerResources {
    let storage = Arc::new(MemoryStorage::new());
    let signal = storage.signal();
    let journal = JournalResources { journal: storage.clone(), positions: storage.clone(), leases: storage, signal };
    BrokerResources { ids: Arc::new(UuidV7Generator), journal: with_journal.then_some(journal) }
}

async fn refusal(url: &str) -> String {
    match BrokerRegistry::with_builtin().connect(url, resources(false)).await {
        Ok(broker) => panic!("{url} chose {}", broker.name),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn the_scheme_chooses_the_adapter() {
    let registry = BrokerRegistry::with_builtin();
    for (url, name) in [("memory:", "memory"), ("database:", "database"), (" MEMORY: ", "memory")] {
        let broker = registry.connect(url, resources(true)).await.expect("a broker");
        assert_eq!(broker.name, name, "{url}");
    }
}

#[tokio::test]
async fn says_which_feature_brings_an_adapter() {
    for (url, feature) in [
        #[cfg(not(feature = "rabbitmq"))]
        ("amqp://localhost", "rabbitmq"),
        #[cfg(not(feature = "rabbitmq"))]
        ("amqps://localhost", "rabbitmq"),
        #[cfg(not(feature = "kafka"))]
        ("kafka://localhost", "kafka"),
        #[cfg(not(feature = "redis"))]
        ("redis://localhost", "redis"),
        #[cfg(not(feature = "redis"))]
        ("rediss://localhost", "redis"),
        #[cfg(not(feature = "nats"))]
        ("nats://localhost", "nats"),
        ("socket://localhost", "socket"),
    ] {
        let refusal = refusal(url).await;
        assert!(
            refusal.contains(&format!("compiled without {feature}: rebuild with --features {feature}")),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn an_unknown_scheme_is_answered_with_the_known_and_the_nearest() {
    let refused = refusal("databse:").await;
    assert!(refused.contains("did you mean \"database\"") && refused.contains("memory"), "{refused}");
    assert!(!refusal("zzz://x").await.contains("did you mean"));
    assert!(refusal("localhost").await.contains("no scheme"));
}

#[tokio::test]
async fn says_what_is_missing_or_too_much() {
    assert!(refusal("database:").await.contains("database"));
    assert!(refusal("memory:extra").await.contains("nothing may follow"));
}

#[tokio::test]
async fn never_repeats_a_secret() {
    for url in [
        "memory://user:hunter2@host/path?token=hunter2",
        "memory://user:hun/ter2?hunter2@host",
        "memory:hunter2",
        "memory://host?password=a@hunter2",
        "amqp://user:hunter2@host",
        "nope://user:hunter2@host",
        "database://user:hunter2@host/x",
        "kafka://u:?hunter2@host",
        "nats://tok?hunter2@host",
        "redis://u:12?hunter2@host",
        "amqp://u:12?hunter2@host",
    ] {
        let refusal = refusal(url).await;
        assert!(!refusal.contains("hunter2") && !refusal.contains("ter2"), "{refusal}");
    }
}

#[tokio::test]
async fn refuses_a_broker_that_keeps_less_than_required() {
    let registry = BrokerRegistry::with_builtin();
    let memory = registry.connect("memory:", resources(true)).await.expect("a broker");
    let database = registry.connect("database:", resources(true)).await.expect("a broker");
    assert!(require_durability(&memory, Durability::None).is_ok());
    assert!(require_durability(&database, Durability::PowerLoss).is_ok());
    let refusal = require_durability(&memory, Durability::PowerLoss).expect_err("a refusal").to_string();
    assert!(refusal.contains("memory") && refusal.contains("`database:`"), "{refusal}");
}
