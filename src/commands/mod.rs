//! The commands of the command line. They take what they need as parameters; the bootstrap makes it.

mod completions;
mod config;
mod events;
mod exit;
mod import;

pub use completions::completions;
pub use config::show_config;
pub use events::{scheduled_events, tail_events};
pub(crate) use exit::written;
pub use exit::{CommandError, ExitStatus};
pub use import::{open_import, run_import};
