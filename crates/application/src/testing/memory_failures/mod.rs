//! Inbox, parking, dead letters, crash marks and replays in memory, for every storage in memory: one model of the tables, and the ports
//! on top of it.

mod access;
mod crash_marks;
mod dead_letters;
mod lanes;
mod parking;
mod replays;
mod retention;
mod tables;

pub use access::MemoryFailures;
pub(super) use access::{Change, Hold, Reading, TableAccess};
pub(super) use tables::FailureTables;
