//! Broker adapters. `memory` and `database` are always there; [`BrokerRegistry`] chooses one by URL.
//!
//! What adapters share: `wire` (events as CloudEvents in headers), `wave_publisher` (one unacknowledged event of a key at a time), and `partitioned` (consumer groups on
//! anything that is read by position, with leases and positions behind ports).
//!
//! # Adding a broker
//!
//! 1. Write a module here that implements [`EventPublisher`](activelog_application::ports::EventPublisher),
//!    [`EventSubscriber`](activelog_application::ports::EventSubscriber) and [`BrokerProbe`](activelog_application::ports::BrokerProbe), and a
//!    [`BrokerFactory`] that connects to a URL, and to ask makes nothing there.
//! 2. Add its line to `BUILT_IN` in `registry.rs`.
//! 3. Add a fixture and its line to `tests/conformance.rs`: the suite says what is still wrong.

pub mod database;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "redis")]
pub mod redis;

mod contiguous_ack;
mod durability;
mod keyed_queue;
mod partitioned;
mod probing;
mod registry;
mod subscription_check;
#[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
mod wave_publisher;
#[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
mod waves;
#[cfg(any(feature = "redis", feature = "nats", feature = "rabbitmq", feature = "kafka"))]
mod wire;

pub use durability::{DurabilityError, require_durability};
pub use registry::{BrokerFactory, BrokerRegistry, BrokerResources, BrokerUrl, ConnectError, JournalResources};
