//! Broker adapters. `memory` and `database` are always there.

pub mod database;
pub mod memory;
