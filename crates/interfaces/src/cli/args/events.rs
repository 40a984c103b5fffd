use activelog_application::ports::EventPattern;
use clap::{Args, Subcommand, ValueEnum};

use super::{OutputFormat, PublishArgs, ReplayArgs, ScheduledArgs, publish, replay};

/// Arguments of `events`.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: EventsCommand,
}

/// The commands of `events`.
#[derive(Debug, Clone, Subcommand)]
pub enum EventsCommand {
    /// Print published events in order
    #[command(after_help = "\
Examples:
  activelog events tail
  activelog events tail --follow --type 'activity.*'
  activelog events tail --from beginning --limit 10 --output json
  activelog events tail --broker --follow --broker-url nats://127.0.0.1:4222

With --broker it reads as a consumer group of its own, which disturbs no other and is removed at the end. Only a kill leaves it
there; its name is on standard error, and `activelog groups remove NAME` removes it.")]
    Tail(TailArgs),

    /// Publish events from a file or standard input, straight to the broker
    #[command(after_help = publish::AFTER_HELP)]
    Publish(PublishArgs),

    /// Make what a handler has made anew from the journal, while everything else goes on
    #[command(after_help = replay::AFTER_HELP)]
    Replay(ReplayArgs),

    /// Look at events that wait for their time, or take them off the schedule
    Scheduled(ScheduledArgs),
}

/// Arguments of `events tail`.
#[derive(Debug, Clone, Default, Args)]
pub struct TailArgs {
    /// Read from the broker (`--broker-url`) instead of the journal
    #[arg(long)]
    pub broker: bool,

    /// Where to begin [default: now with --follow, beginning without]
    #[arg(long, value_enum)]
    pub from: Option<TailFrom>,

    /// Go on printing events as they are published, until interrupted
    #[arg(long, short)]
    pub follow: bool,

    /// Only events of this type; may be given several times. `*` stands for one word, `#` at the end for any rest
    #[arg(long = "type", value_name = "PATTERN")]
    pub types: Vec<EventPattern>,

    /// Form of the output; `json` is one object per line
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,

    /// Stop after this many events
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
}

/// Where `events tail` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TailFrom {
    /// At the oldest event kept
    Beginning,
    /// After the newest event
    Now,
}
