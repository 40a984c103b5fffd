//! Looking at published events.

mod format;
mod tail;
#[cfg(test)]
mod tests;

pub use tail::{TailError, tail};
