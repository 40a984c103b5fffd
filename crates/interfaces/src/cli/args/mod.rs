//! What can be typed.

mod bridge;
mod config;
mod dead_letters;
mod doctor;
mod events;
mod global;
mod groups;
mod import;
mod parked;
mod publish;
mod replay;
mod root;
mod scheduled;

pub use bridge::BridgeArgs;
pub use config::{ConfigArgs, ConfigOutput};
pub use dead_letters::{
    DeadLetterFilterArgs, DeadLettersArgs, DeadLettersCommand, ListDeadLettersArgs, RemedyArgs, ShowDeadLetterArgs,
};
pub use doctor::DoctorArgs;
pub use events::{EventsArgs, EventsCommand, TailArgs, TailFrom};
pub use global::GlobalFlags;
pub use groups::{GroupArgs, GroupBeginArgs, GroupLagArgs, GroupsArgs, GroupsCommand};
pub use import::{ImportArgs, Source};
pub use parked::{ListParkedArgs, ParkedArgs, ParkedCommand};
pub use publish::PublishArgs;
pub use replay::ReplayArgs;
pub use root::{Cli, Command, CompletionsArgs, OutputFormat, RoleArgs};
pub use scheduled::{ScheduledArgs, ScheduledCancelArgs, ScheduledCommand, ScheduledListArgs};
