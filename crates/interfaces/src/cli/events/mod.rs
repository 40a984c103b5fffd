//! Looking at published events, and at those that wait for their time.

mod format;
mod scheduled;
mod tail;
#[cfg(test)]
mod tests;

pub use scheduled::{ScheduledError, cancel_scheduled, list_scheduled};
pub use tail::{TailError, tail};
