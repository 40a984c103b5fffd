//! Persistence: one folder per database, the same files in each, the same suite for both.

mod error;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod failures;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod report;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod webhook;

pub use error::DatabaseError;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use report::DatabaseReport;
