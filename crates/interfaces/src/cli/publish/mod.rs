//! Publishing events from a file or standard input, straight to a broker.

mod batch;
mod line;
mod lines;
mod reading;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use line::{LineError, LineParser};
pub use reading::{Source, SourceError};
pub use report::PublishProgress;
pub use run::{PublishEnd, PublishError, PublishTools, publish};
