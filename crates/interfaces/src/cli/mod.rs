//! The command line: its arguments, and the commands that need nothing but ports and use cases.
//!
//! Adding a command: a variant of [`Command`] with its arguments in a file of its own under `args/`, an example in its help, a line
//! in the dispatcher of the composition root, and — if it needs nothing but ports — its work in a module beside [`import`].

mod args;
pub mod bridge;
pub mod dead_letters;
pub mod doctor;
pub mod events;
pub mod groups;
pub mod import;
pub mod parked;
pub mod publish;
mod terminal;

pub use args::{
    BridgeArgs, Cli, Command, CompletionsArgs, ConfigArgs, ConfigOutput, DeadLetterFilterArgs, DeadLettersArgs,
    DeadLettersCommand, DoctorArgs, EventsArgs, EventsCommand, GlobalFlags, GroupArgs, GroupBeginArgs, GroupLagArgs,
    GroupsArgs, GroupsCommand, ImportArgs, ListDeadLettersArgs, ListParkedArgs, OutputFormat, ParkedArgs,
    ParkedCommand, PublishArgs, RemedyArgs, ReplayArgs, RoleArgs, ScheduledArgs, ScheduledCancelArgs, ScheduledCommand,
    ScheduledListArgs, ShowDeadLetterArgs, Source, TailArgs, TailFrom,
};
pub use terminal::one_line;
