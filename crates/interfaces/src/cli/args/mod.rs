//! What can be typed.

mod config;
mod events;
mod global;
mod import;
mod root;
mod scheduled;

pub use config::{ConfigArgs, ConfigOutput};
pub use events::{EventsArgs, EventsCommand, TailArgs, TailFrom};
pub use global::GlobalFlags;
pub use import::{ImportArgs, Source};
pub use root::{Cli, Command, CompletionsArgs, OutputFormat, RoleArgs};
pub use scheduled::{ScheduledArgs, ScheduledCancelArgs, ScheduledCommand, ScheduledListArgs};
