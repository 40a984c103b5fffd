use clap::{Args, Subcommand};

use super::{OutputFormat, TailFrom};

/// Arguments of `groups`.
#[derive(Debug, Clone, Args)]
pub struct GroupsArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: GroupsCommand,
}

/// The commands of `groups`.
#[derive(Debug, Clone, Subcommand)]
pub enum GroupsCommand {
    /// Print how many events of the broker a group has not taken
    #[command(after_help = "\
Examples:
  activelog groups lag
  activelog groups lag workers --wait --broker-url amqp://old:5672")]
    Lag(GroupLagArgs),

    /// Make a group known to the broker: from there on it misses nothing
    #[command(after_help = "\
Examples:
  activelog groups begin --from now --broker-url nats://new:4222
  activelog groups begin reports --from beginning

A group that the broker knows already stays where it is.")]
    Begin(GroupBeginArgs),

    /// Have the broker forget a group that is gone for good, and what it keeps for it
    #[command(after_help = "\
Example:
  activelog groups remove tail-01929d5e-0000-7000-8000-000000000001

What the group has not taken is not kept for it any more. One that is in use is not removed.")]
    Remove(GroupArgs),
}

/// Which group.
#[derive(Debug, Clone, Default, Args)]
pub struct GroupArgs {
    /// The group's name [default: that of the workers, worker.group]
    #[arg(value_name = "NAME")]
    pub group: Option<String>,
}

/// Arguments of `groups lag`.
#[derive(Debug, Clone, Default, Args)]
pub struct GroupLagArgs {
    /// Which group.
    #[command(flatten)]
    pub group: GroupArgs,

    /// Wait until it has taken everything
    #[arg(long)]
    pub wait: bool,

    /// Form of the output; `json` is one object
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `groups begin`.
#[derive(Debug, Clone, Args)]
pub struct GroupBeginArgs {
    /// Which group.
    #[command(flatten)]
    pub group: GroupArgs,

    /// Where it begins
    #[arg(long, value_enum)]
    pub from: TailFrom,
}
