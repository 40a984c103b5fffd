//! What can be relied on when chains of use cases run in transactions.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

mod building;
mod closing;
mod contention;
mod events;
mod idempotency;
mod results;
mod setting;
mod timeouts;
