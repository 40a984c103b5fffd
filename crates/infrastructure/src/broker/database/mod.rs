//! The broker on the journal: durable, replayable and shared by processes, with no server beside the database.
//!
//! It stands on ports only ([`Journal`](activelog_application::ports::Journal),
//! [`GroupPositions`](activelog_application::ports::GroupPositions) and
//! [`LeaseStore`](activelog_application::ports::LeaseStore)), so it runs on every storage that implements them. How groups share the journal is the
//! business of `partitioned`.

mod broker;
mod factory;
mod journal_log;
mod probe;
mod publisher;

pub use broker::{DatabaseBroker, DatabaseOptions};
pub use factory::DatabaseFactory;
pub use publisher::DatabasePublisher;
