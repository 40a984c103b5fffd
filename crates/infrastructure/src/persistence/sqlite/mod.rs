//! SQLite: one file, nothing to install, durable across a kill and a loss of power.
//!
//! SQLite has one writer at a time and a commit costs an `fsync`, so everything that writes goes through **one
//! connection with group commit**: units of work take turns on it, each in a savepoint of its own, and one outer transaction
//! commits all of them together ([`writer`](self) says how). Readers have read-only connections of their own, which
//! in WAL mode neither wait for the writer nor hold it up. Several processes may share the file.
//!
//! # Adding a table
//!
//! 1. A new file in `crates/infrastructure/migrations/sqlite/`, numbered on. Files that were released never change.
//! 2. A repository file here, named as its port's, and a line in `unit_of_work.rs`.

mod achievement_repository;
mod activity_repository;
mod burial;
mod crash_marks;
mod database;
mod dead_letters;
mod disk_space;
#[cfg(feature = "fault-injection")]
mod effect_ledger;
mod error_mapping;
mod failure_rows;
mod group;
mod idempotency;
mod inbox;
mod inspection;
mod journal;
mod leaderboard_repository;
mod lease_store;
mod notification_repository;
mod options;
mod outbox;
mod parked_lanes;
mod parking;
mod parking_store;
mod period_statistics_repository;
mod permissions;
mod queries;
mod replays;
mod retention;
mod rows;
mod scheduled_events;
mod schema;
mod session;
mod statement;
mod unit_of_work;
mod user_repository;
mod webhook_repository;
mod webhook_store;
mod write_unit;
mod writer;

#[cfg(test)]
mod tests;

pub use database::SqliteDatabase;
pub use inspection::inspect;
pub use options::SqliteOptions;
