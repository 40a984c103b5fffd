use activelog_application::ports::ParkedFilter;
use clap::{Args, Subcommand};

use super::{
    OutputFormat,
    dead_letters::{name, subject},
};

/// Arguments of `parked`.
#[derive(Debug, Clone, Args)]
pub struct ParkedArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ParkedCommand,
}

/// The commands of `parked`.
#[derive(Debug, Clone, Subcommand)]
pub enum ParkedCommand {
    /// List events that wait for another attempt, or behind one that does, in their order
    #[command(after_help = "\
Examples:
  activelog parked list
  activelog parked list --handler period-statistics --output json

They are retried without anybody doing anything, unless a dead letter holds their aggregate. Those that keep failing become dead letters.")]
    List(ListParkedArgs),
}

/// Arguments of `parked list`.
#[derive(Debug, Clone, Args)]
pub struct ListParkedArgs {
    /// Only for this handler
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub handler: Option<String>,

    /// Only events of this type
    #[arg(long, value_name = "TYPE", value_parser = name)]
    pub event: Option<String>,

    /// Only events of this aggregate; the id of an activity will do
    #[arg(long, visible_alias = "aggregate", value_name = "SUBJECT", value_parser = subject)]
    pub subject: Option<String>,

    /// Only those with a higher place than this
    #[arg(long, value_name = "PLACE", value_parser = clap::value_parser!(i64).range(0..))]
    pub after: Option<i64>,

    /// How many at most
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,

    /// Form of the output; `json` is one object per line, with the event
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}

impl ListParkedArgs {
    /// The filter.
    pub fn filter(&self) -> ParkedFilter {
        ParkedFilter { handler: self.handler.clone(), event: self.event.clone(), subject: self.subject.clone() }
    }
}
