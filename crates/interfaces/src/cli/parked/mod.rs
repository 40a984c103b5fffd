//! Looking at parked events.

mod format;
mod list;
#[cfg(test)]
mod tests;

pub use list::list;
