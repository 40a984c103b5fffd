//! The activity log's storage in memory: the real semantics, nothing kept.
//!
//! One unit of work at a time, so transactions are serializable; readers see what was committed last and never wait.

mod factory;
mod failures;
mod housekeeping;
mod queries;
mod repositories;
mod state;
mod toolkit;
mod unit_of_work;
mod webhooks;

pub use factory::MemoryRepositories;
