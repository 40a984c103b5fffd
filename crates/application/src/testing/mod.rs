//! Conformance suites for those who write adapters, and fakes for those who write use cases and handlers.
//!
//! - [`broker`]: what every broker adapter has to do.
//! - [`storage`]: what every storage has to do.
//! - [`projections_match()`]: whatever the order of events, the projections equal a recomputation, on any store.
//! - [`memory_storage`]: journal, outbox, group positions and leases in memory.
//! - [`MemoryRepositories`]: the activity log's units of work and queries in memory.
//! - [`MemoryFailures`]: parking, dead letters, crash marks and replays in memory, of either of the two storages.
//! - [`FakeStorage`]: units of work in memory that misbehave as told; it knows the toolkit's tables only.
//! - [`FakeClock`], [`SequentialIds`], [`SequentialSecrets`]: time, ids and secrets that tests decide.
//! - [`Gate`]: a place where work waits until a test lets it go on.

pub mod broker;
mod fake_clock;
mod fake_storage;
mod gate;
mod memory_failures;
mod memory_repositories;
pub mod memory_storage;
mod projections_match;
mod scenario;
mod sequential_secrets;
pub mod storage;

pub use fake_clock::{FakeClock, SequentialIds, TokioClock};
pub use fake_storage::{Behaviour, Committed, FakeStorage, Point, Tally};
pub use gate::Gate;
pub use memory_failures::MemoryFailures;
pub use memory_repositories::MemoryRepositories;
pub use projections_match::{
    ProjectionsError, ProjectionsReport, matches_recomputation, pending_events, projections_match,
};
pub use scenario::{Operation, Scenario};
pub use sequential_secrets::SequentialSecrets;
