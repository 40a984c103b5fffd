//! Conformance suites and fakes for those who write adapters.

mod memory_repositories;
mod projections_match;
mod scenario;
mod time_and_ids;

pub use memory_repositories::MemoryRepositories;
pub use projections_match::{ProjectionsError, ProjectionsReport, pending_events, projections_match};
pub use scenario::{Operation, Scenario};
pub use time_and_ids::{ManualClock, SequentialIds};
