//! Showing what `doctor` has found.

mod diagnosis;
mod format;

pub use diagnosis::{Diagnosis, Subject};
pub use format::print;
