//! Looking at published events, replaying them, and looking at those that wait for their time.

mod format;
mod replay;
mod replay_progress;
mod scheduled;
mod tail;
#[cfg(test)]
mod tests;

pub use replay::{ReplayCommandError, replay};
pub use replay_progress::ReplayProgress;
pub use scheduled::{ScheduledError, cancel_scheduled, list_scheduled};
pub use tail::{TailError, tail};
