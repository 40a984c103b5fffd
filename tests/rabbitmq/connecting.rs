use std::sync::Arc;

use activelog_infrastructure::{
    broker::{BrokerRegistry, BrokerResources, ConnectError},
    id_generator::UuidV7Generator,
};

use crate::support::{Kind, broker};

async fn refused(url: &str) -> ConnectError {
    let resources = BrokerResources { ids: Arc::new(UuidV7Generator), journal: None };
    BrokerRegistry::with_builtin().connect(url, resources).await.err().expect("it cannot be connected")
}

/// What is wrong is told, and no part of a URL that could be a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_connected_says_why_and_keeps_secrets() {
    let Some(server) = broker(Kind::RabbitMq) else { return };
    let port = server.port();
    for (url, reason) in [
        (format!("amqp://guest:hunter2@127.0.0.1:{port}"), "ACCESS_REFUSED"),
        (format!("amqp://guest:hunter2@127.0.0.1:{port}/hunter2"), "ACCESS_REFUSED"),
        (format!("amqp://127.0.0.1:{port}/nowhere"), "nowhere"),
        (format!("amqps://guest:hunter2@127.0.0.1:{port}"), "connect"),
        ("amqp://guest:hunter2@127.0.0.1:1".to_owned(), "refused"),
        ("amqp://guest:hunter2@localhost?window=0".to_owned(), "window must be"),
        ("amqp://guest:hunter2@localhost?widow=7".to_owned(), "widow"),
        ("amqp://guest:hunter2@".to_owned(), ""),
        ("amqp:hunter2".to_owned(), "amqp[s]://"),
    ] {
        let error = refused(&url).await.to_string();
        assert!(error.to_lowercase().contains(&reason.to_lowercase()), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
