//! What only PostgreSQL can get wrong: pooled connections after cancellation and crashes, swallowed statement errors, locks,
//! concurrent writers of the journal, schemas of other versions. What every store must do is in the shared suite.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "postgres/cancellation.rs"]
mod cancellation;
#[path = "postgres/crash.rs"]
mod crash;
#[path = "postgres/fencing.rs"]
mod fencing;
#[path = "postgres/fixture.rs"]
mod fixture;
#[path = "postgres/journal.rs"]
mod journal;
#[path = "postgres/many_failures.rs"]
mod many_failures;
#[path = "postgres/parking.rs"]
mod parking;
#[path = "postgres/poisoning.rs"]
mod poisoning;
#[path = "postgres/projections.rs"]
mod projections;
#[path = "postgres/repositories.rs"]
mod repositories;
#[path = "postgres/schema.rs"]
mod schema;
#[path = "postgres/speed.rs"]
mod speed;
mod support;
