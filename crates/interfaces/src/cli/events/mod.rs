//! Looking at published events.

mod format;
mod tail;

pub use tail::{TailError, tail};
