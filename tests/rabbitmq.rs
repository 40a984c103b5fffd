//! What only RabbitMQ can get wrong: queues that change hands between connections, servers that are killed or stop answering, queues and exchanges deleted live, events
//! nobody has a queue for. What every broker must do is in the shared suite.
#![cfg(feature = "rabbitmq")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "rabbitmq/connecting.rs"]
mod connecting;
#[path = "rabbitmq/deleting.rs"]
mod deleting;
#[path = "rabbitmq/large.rs"]
mod large;
#[path = "rabbitmq/outages.rs"]
mod outages;
#[path = "rabbitmq/sharing.rs"]
mod sharing;
#[path = "rabbitmq/stage.rs"]
mod stage;
mod support;
