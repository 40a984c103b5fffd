//! The command line: its arguments, and the commands that need nothing but ports and use cases.
//!
//! Adding a command: a variant of [`Command`] with its arguments in a file of its own under `args/`, an example in its help, a line
//! in the dispatcher of the composition root, and — if it needs nothing but ports — its work in a module beside [`import`].

mod args;
pub mod dead_letters;
pub mod doctor;
pub mod events;
pub mod import;
pub mod parked;
mod terminal;

pub use args::{
    Cli, Command, CompletionsArgs, ConfigArgs, ConfigOutput, DeadLetterFilterArgs, DeadLettersArgs, DeadLettersCommand,
    DoctorArgs, EventsArgs, EventsCommand, GlobalFlags, ImportArgs, ListDeadLettersArgs, ListParkedArgs, OutputFormat,
    ParkedArgs, ParkedCommand, RemedyArgs, ReplayArgs, RoleArgs, ScheduledArgs, ScheduledCancelArgs, ScheduledCommand,
    ScheduledListArgs, ShowDeadLetterArgs, Source, TailArgs, TailFrom,
};
pub use terminal::one_line;
