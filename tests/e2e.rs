//! One event's whole way, in this process: request → transaction → outbox → relay → broker → handlers → read models, over the real
//! router, SQLite and the broker in memory. And what must hold for any life of any activities, on both databases.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "e2e/application.rs"]
mod application;
#[path = "e2e/corrections.rs"]
mod corrections;
#[path = "e2e/events.rs"]
mod events;
#[path = "e2e/holding.rs"]
mod holding;
#[path = "e2e/picky.rs"]
mod picky;
#[path = "e2e/projections.rs"]
mod projections;
mod support;
