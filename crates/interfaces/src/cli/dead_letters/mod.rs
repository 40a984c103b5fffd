//! Looking at dead letters, and doing something about them.

mod choice;
mod error;
mod format;
mod list;
mod progress;
mod remedy;
mod report;
mod show;
#[cfg(test)]
mod tests;

pub use choice::{Choice, ChoiceError};
pub use error::FailedEventsError;
pub(in crate::cli) use error::unless_reader_left;
pub use list::list;
pub use progress::Progress;
pub use remedy::{Tools, remedy};
pub use report::{Ending, NumbersReport, RemedyReport};
pub use show::show;
