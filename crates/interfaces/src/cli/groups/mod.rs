//! Consumer groups: how far they are, making them known, having them forgotten.

mod error;
mod manage;
#[cfg(test)]
mod tests;

pub use error::GroupError;
pub use manage::{begin, lag, remove};
