//! The activity log itself: what users do, and what follows from it.
//!
//! - [`ActivityLog`]: what front ends may ask of it. Each question runs a chain of use cases in one transaction.
//! - [`use_cases`]: the operations, one file each.
//! - [`handlers`]: what follows from events, one file each.
//! - [`projections`]: what handlers keep, computed anew from activities.
//! - [`ports`]: what all of this needs from storage.
//!
//! Totals are counted in the transaction that changes an activity; weekly and monthly figures, achievements and leaderboards
//! are counted by handlers alone. No figure is counted in both.

mod activity_log;
mod error;
#[cfg(test)]
mod fixture;
pub mod handlers;
pub mod ports;
pub mod projections;
mod stored_activity;
pub mod use_cases;

pub use activity_log::ActivityLog;
pub use error::ActivityError;
