//! Consumer groups on a log in partitions: what is behind the streams of every broker whose events are read by position.
//!
//! It needs a [`PartitionLog`] to read, [`GroupPositions`](activelog_application::ports::GroupPositions) to remember how far groups are, and a
//! [`LeaseStore`](activelog_application::ports::LeaseStore) that says who of a group reads which partition.
//!
//! Every stream is a member of its group and has one background task with three loops: *membership* renews leases and
//! takes or gives back partitions, *reader* fetches pages of owned partitions, and *position writer* moves the group
//! forward to the contiguous acknowledgements. A partition has one owner, which keeps order per key; positions are fenced, so that an owner that
//! lost its lease moves nothing.
//!
//! - A partition that is given back stops being read, has [`LogOptions::drain_timeout`] to be settled, and is released with
//!   its position written. The next owner goes on from there: what was not settled by then arrives there again.
//! - A member that dies is followed after [`LogOptions::lease_ttl`] and one heartbeat more.
//! - What fails is logged once, shown in `health` and tried again for ever.
//! - Events no pattern of the stream matches count as acknowledged: members of a group ask for the same patterns.
//! - Where the broker has consumer groups of its own that keep a partition at one member, `Assignment` takes the place of leases, reader and writer: the adapter says
//!   what is assigned and what has come, and writes the positions.
//! - Memory per stream is bounded by the prefetch, read-ahead of as much again (64 to 1,024 events; twice both where reads wait), and
//!   [`LogOptions::read_ahead_bytes`]. Events that wait for a delay of `nack` count.

#[cfg(feature = "kafka")]
mod assignment;
mod backoff;
mod driver;
mod group_log;
mod membership;
mod outage;
mod partition;
mod position_writer;
mod reader;
mod state;
mod stream;
mod subscriber;

#[cfg(feature = "kafka")]
pub(in crate::broker) use assignment::{Assignment, Room};
pub(in crate::broker) use group_log::{GroupLog, LogEntry, LogOptions, Page, PagesRead, PartitionLog};
#[cfg(feature = "kafka")]
pub(in crate::broker) use outage::{Outage, Outages};
#[cfg(feature = "kafka")]
pub(in crate::broker) use state::Progress;
pub(in crate::broker) use subscriber::LogSubscriber;
