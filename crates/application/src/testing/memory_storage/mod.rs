//! The toolkit's storage ports in memory: journal, outbox, group positions and leases, with gap-free positions, fencing and
//! outages on demand.

mod groups;
mod housekeeping;
mod journal;
mod leases;
mod outbox;
mod storage;

pub use storage::MemoryStorage;
