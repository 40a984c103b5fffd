//! From the outbox to the broker and the journal.
//!
//! Several relays share the work: the outbox has [`PARTITIONS`](crate::ports::PARTITIONS) partitions, each owned by one relay at a time by
//! lease. What a relay owns it drains: it reads what is pending, publishes it in waves, and moves what the broker has
//! taken to the journal. No transaction is open while it publishes.
//!
//! A *wave* holds at most one event per partition key. The next wave begins when the broker has answered the last, so that an
//! event that fails is never overtaken by a later one of its key, and holds up that key alone.
//!
//! A relay that dies between the broker's answer and the move leaves events that are published again under the same id by the
//! next owner; consumers skip them by their inbox.
//!
//! Events that were recorded for a later time come into the outbox when it is due: a [`Scheduler`] moves them there.

mod backlog;
mod owner;
mod runner;
mod scheduler;

pub use runner::{Relay, RelayHealth, RelayOptions, RelayTarget};
pub use scheduler::{Scheduler, SchedulerOptions};
