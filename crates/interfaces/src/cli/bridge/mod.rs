//! Copying a live stream between brokers, at a terminal.

mod progress;
mod refused_file;
mod run;

pub use progress::BridgeReporter;
pub use refused_file::RefusedFile;
pub use run::{BridgeTools, run};
