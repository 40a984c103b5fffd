//! The adapters: brokers, persistence, requests to webhooks, clock and ids. Every type here implements a port of the application layer; nothing
//! but the composition root names them.

pub mod broker;
pub mod clock;
pub mod id_generator;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod persistence;
pub mod webhook;
