//! A storage in memory that misbehaves as told.

mod script;
mod storage;
mod unit_of_work;

pub use script::{Behaviour, Point};
pub use storage::{Committed, FakeStorage, Tally};
