//! The innermost layer: what an event is, and what an activity log is about.
//!
//! This crate does no I/O and knows no runtime. It has two halves:
//!
//! - [`event`]: [`DomainEvent`](event::DomainEvent) and the [`EventEnvelope`](event::EventEnvelope) an event travels
//!   in. It knows nothing of activities and serves any domain.
//! - [`activity`], [`user`], [`notification`], [`statistics`], [`achievement`], [`leaderboard`], [`webhook`]: the activity log.
//!
//! # Adding an event
//!
//! 1. Declare a struct with serde derives and implement [`DomainEvent`](event::DomainEvent) for it: `NAME`,
//!    `VERSION` and the aggregate it belongs to (see [`activity::ActivityCreated`]).
//! 2. Add its golden JSON to `crates/domain/tests/golden/` and a line to `crates/domain/tests/golden.rs`. The file
//!    stays for ever: data once published must keep decoding.
//! 3. Record it in a use case (`step.record(event)`) and register handlers for it (`router.on::<YourEvent>(…)`).

pub mod achievement;
pub mod activity;
pub mod event;
pub mod leaderboard;
pub mod notification;
pub mod statistics;
pub mod user;
pub mod validation;
pub mod webhook;
