//! Conformance suites for those who write adapters, and fakes for those who write use cases and handlers.
//!
//! - [`broker`]: what every broker adapter has to do.
//! - [`memory_storage`]: journal, outbox, group positions and leases in memory.
//! - [`FakeStorage`]: units of work in memory that misbehave as told; it knows the toolkit's tables only.
//! - [`FakeClock`], [`SequentialIds`]: time and ids that tests decide.
//! - [`Gate`]: a place where work waits until a test lets it go on.

pub mod broker;
pub mod memory_storage;
mod fake_clock;
mod fake_unit_of_work;
mod gate;
pub mod storage;

pub use fake_clock::{FakeClock, SequentialIds};
pub use fake_unit_of_work::{Behaviour, Committed, FakeStorage, Point, Tally};
pub use gate::Gate;
