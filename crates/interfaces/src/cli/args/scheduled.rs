use clap::{Args, Subcommand};
use uuid::Uuid;

use super::OutputFormat;

/// Arguments of `events scheduled`.
#[derive(Debug, Clone, Args)]
pub struct ScheduledArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ScheduledCommand,
}

/// The commands of `events scheduled`.
#[derive(Debug, Clone, Subcommand)]
pub enum ScheduledCommand {
    /// Print the events that wait for their time, in the order in which they are due
    #[command(after_help = "\
Examples:
  activelog events scheduled list
  activelog events scheduled list --subject activity-01929d5e-0000-7000-8000-000000000001 --output json")]
    List(ScheduledListArgs),

    /// Take events off the schedule: they are never published
    #[command(after_help = "Example:\n  activelog events scheduled cancel 01929d5e-0000-7000-8000-000000000009")]
    Cancel(ScheduledCancelArgs),
}

/// Arguments of `events scheduled list`.
#[derive(Debug, Clone, Default, Args)]
pub struct ScheduledListArgs {
    /// Only events of this type
    #[arg(long = "type", value_name = "NAME")]
    pub name: Option<String>,

    /// Only events of this subject
    #[arg(long)]
    pub subject: Option<String>,

    /// Stop after this many events
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,

    /// Form of the output; `json` is one object per line
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `events scheduled cancel`.
#[derive(Debug, Clone, Default, Args)]
pub struct ScheduledCancelArgs {
    /// The events' ids
    #[arg(required = true, value_name = "EVENT", num_args = 1..=1_000)]
    pub events: Vec<Uuid>,

    /// Form of the output; `json` is one object per line
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}
