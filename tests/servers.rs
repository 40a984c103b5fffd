//! The servers that this repository brings: `scripts/servers` runs them as it says, and docker-compose.yml runs the same ones with the same settings.
#![cfg(all(feature = "kafka", feature = "nats", feature = "postgres", feature = "rabbitmq", feature = "redis"))]
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "servers/compose.rs"]
mod compose;
#[path = "servers/in_step.rs"]
mod in_step;
#[path = "servers/running.rs"]
mod running;
#[path = "servers/set.rs"]
mod set;
mod support;
