//! What every storage has to do: a [`Case`] for every sentence of the storage ports' contracts.
//!
//! # Running it against a storage
//!
//! Implement [`StorageFixture`] and run every one of [`cases`]; each makes a fresh [`Storage`], has a deadline of its own and answers
//! what is wrong:
//!
//! ```ignore
//! for case in cases() {
//!     (case.run)(fixture.clone()).await.unwrap_or_else(|wrong| panic!("{}: {wrong}", case.name));
//! }
//! ```
//!
//! Cases need a runtime with timers and do not expect time to be paused. They hold at most two units of work open at once, and expect
//! a second one to be begun, or to get on with its statements, only once the first has ended.
//!
//! # Adding a case
//!
//! Write an `async fn(Storage) -> Checked` in the file of its port and name it in the `cases!` at the top of that file. If it is meant to
//! catch a defect that no other case catches, add a storage with that defect to the negative tests.

#[macro_use]
mod case;

mod achievements;
mod activities;
mod crash_marks;
mod dead_letter_lists;
mod dead_letters;
mod failures;
mod fixture;
mod group_positions;
mod idempotency;
mod inbox;
mod journal;
mod lanes;
mod leaderboards;
mod leases;
mod notifications;
mod outbox;
mod parking;
mod parking_crowd;
mod period_statistics;
mod queries;
mod relays;
mod replays;
mod retention;
mod samples;
mod scheduled;
mod take;
mod unit_of_work;
mod users;
mod webhooks;

pub use case::{Case, Check, cases};
pub use fixture::{LeaseTime, Storage, StorageFixture};
