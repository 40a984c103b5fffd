//! The command line: its arguments, and the commands that need nothing but ports and use cases.
//!
//! Adding a command: a variant of [`Command`] with its arguments in a file of its own under `args/`, an example in its help, a line
//! in the dispatcher of the composition root, and — if it needs nothing but ports — its work in a module beside [`import`].

mod args;
pub mod events;
pub mod import;
mod terminal;

pub use args::{
    Cli, Command, CompletionsArgs, ConfigArgs, ConfigOutput, EventsArgs, EventsCommand, GlobalFlags, ImportArgs,
    OutputFormat, RoleArgs, ScheduledArgs, ScheduledCancelArgs, ScheduledCommand, ScheduledListArgs, Source, TailArgs,
    TailFrom,
};
