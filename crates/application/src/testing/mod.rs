//! Conformance suites and fakes, for those who write adapters and for tests.
//!
//! - [`broker`]: what every broker adapter has to do.
//! - [`memory_storage`]: journal, outbox, group positions and leases in memory.

pub mod broker;
pub mod memory_storage;
