//! The broker on the journal: durable, replayable and shared by processes, with no server beside the database.
//!
//! It stands on ports only ([`Journal`](activelog_application::ports::Journal),
//! [`GroupPositions`](activelog_application::ports::GroupPositions) and
//! [`LeaseStore`](activelog_application::ports::LeaseStore)), so it runs on every storage that implements them.
//!
//! Every stream is a member of its group and has one background task with three loops: *membership* renews leases and
//! takes or gives back partitions, *reader* fetches pages of owned partitions, and *position writer* moves the group
//! forward to the contiguous acknowledgements. A partition has one owner, which keeps order per key; the storage fences an
//! owner that lost its lease.
//!
//! - A partition that is given back stops being read, has [`DatabaseOptions::drain_timeout`] to be settled, and is released with
//!   its position written. The next owner goes on from there: what was not settled by then arrives there again.
//! - A member that dies is followed after [`DatabaseOptions::lease_ttl`] and one heartbeat more.
//! - A storage that fails is logged once, shown in `health` and tried again for ever.
//! - Events no pattern of the stream matches count as acknowledged: members of a group ask for the same patterns.
//! - Memory per stream is bounded by the prefetch, read-ahead of as much again (64 to 1,024 events), and
//!   [`DatabaseOptions::read_ahead_bytes`]. Events that wait for a delay of `nack` count.

mod backoff;
mod broker;
mod driver;
mod factory;
mod membership;
mod outage;
mod partition;
mod position_writer;
mod publisher;
mod reader;
mod state;
mod stream;
mod subscriber;

pub use broker::{DatabaseBroker, DatabaseOptions};
pub use factory::DatabaseFactory;
pub use publisher::DatabasePublisher;
pub use stream::DatabaseDeliveryStream;
pub use subscriber::DatabaseSubscriber;
