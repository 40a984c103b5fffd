//! PostgreSQL.
//!
//! [`PgDatabase`] is the one way in: it connects, migrates and implements every storage port. Three pools keep kinds of work
//! apart, so that none starves another: units of work, read models, and what the toolkit itself lives on (relay, journal,
//! leases, health). Each file holds the adapter of the port of the same name.
//!
//! Every statement goes through a `Session`: it bounds the statement in time, remembers failures, and sees to
//! it that no connection goes back to its pool with a transaction or an answer still on it.

mod achievement_repository;
mod activity_repository;
mod burial;
mod crash_marks;
mod database;
mod dead_letters;
#[cfg(feature = "fault-injection")]
mod effect_ledger;
mod envelope;
mod error;
mod failure_rows;
mod figures;
mod group_positions;
mod idempotency;
mod inbox;
mod inspection;
mod journal;
mod lane_claims;
mod leaderboard_repository;
mod lease_store;
mod migrations;
mod notification_repository;
mod options;
mod outbox;
mod parked_lanes;
mod parking;
mod parking_store;
mod period_statistics_repository;
mod queries;
mod replays;
mod retention;
mod rows;
mod scheduled_events;
mod session;
mod unit_of_work;
mod user_repository;
mod webhook_repository;
mod webhook_store;

pub use database::PgDatabase;
pub use inspection::inspect;
pub use options::{PgOptions, SecretUrl};
pub use unit_of_work::PgUnitOfWork;
