//! The commands of the command line. They take what they need as parameters; the bootstrap makes it.

mod bridge;
mod completions;
mod config;
mod dead_letters;
mod doctor;
mod events;
mod exit;
mod groups;
mod import;
mod parked;
mod publish;

pub use bridge::run_bridge;
pub use completions::completions;
pub use config::show_config;
pub use dead_letters::{choose_dead_letters, list_dead_letters, remedy_dead_letters, show_dead_letter};
pub use doctor::show_diagnosis;
pub use events::{replay_events, scheduled_events, tail_broker_events, tail_events};
pub(crate) use exit::written;
pub use exit::{CommandError, ExitStatus};
pub use groups::manage_group;
pub use import::{open_import, run_import};
pub use parked::list_parked;
pub use publish::publish_events;
