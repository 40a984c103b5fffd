//! The HTTP API by requests to its router: every rule of the contract, and what is refused and how.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod activities;
mod api;
mod bad_input;
mod conditions;
mod dead_letters;
mod description;
mod failures;
mod idempotency;
mod lists;
mod media_types;
mod pages;
mod server;
mod storage;
mod users;
mod webhooks;
