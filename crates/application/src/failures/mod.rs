//! What an operator does about events that handlers have failed to take: looks at what is parked and what was given up on, and replays or
//! discards dead letters, one or many. The command line and HTTP do the same through [`FailedEvents`].
//!
//! Many at once ([`FailedEvents::remedy_all`]) are gone through by ascending number, so that the events of a lane are parked again in the
//! order they had, and in bounded pages. Every dead letter is a transaction of its own: a run that ends early, for whatever reason, has done
//! what it says, and running it again goes on. Doing anything twice has the effect of once.

mod bulk;
mod failed_events;
mod page;
mod remedy;

pub use bulk::{BulkError, BulkOptions, BulkPoint, BulkReport};
pub use failed_events::{FailedEvents, FailureFigures};
pub use remedy::{Remedied, Remedy};
