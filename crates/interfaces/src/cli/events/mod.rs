//! Looking at published events, in the journal or on a broker, replaying them, and looking at those that wait for their time.

mod format;
mod replay;
mod replay_progress;
mod scheduled;
mod tail;
mod tail_broker;
#[cfg(test)]
mod tests;

pub use replay::{ReplayCommandError, replay};
pub use replay_progress::ReplayProgress;
pub use scheduled::{ScheduledError, cancel_scheduled, list_scheduled};
pub use tail::{TailError, tail};
pub use tail_broker::{BrokerTailError, tail_broker};
