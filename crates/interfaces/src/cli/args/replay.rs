use clap::Args;
use jiff::Timestamp;

use super::{
    OutputFormat,
    dead_letters::{instant, name},
};

/// The help that stands below the arguments of `events replay`.
pub(super) const AFTER_HELP: &str = "\
Examples:
  activelog events replay --handler period-statistics
  activelog events replay --handler leaderboard --from 2026-01-01 --output json

What the handler has made is removed, all of it, and made anew from the events the journal still holds (retention.journal): what is older
is gone afterwards. With --from or --to it is made of the events of that time alone. Everything else goes on: events that arrive for the handler meanwhile are parked, and running workers
take them afterwards, in order. Until it ends, what the handler makes is incomplete. Nobody is notified a second time.

Exit codes:
  0    done
  1    stopped by an error; run the same command again to resume
  2    wrong usage, such as a handler whose events cannot be replayed: nothing was begun
  130  interrupted (Ctrl-C); run the same command again to resume";

/// Arguments of `events replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Whose events: the name of a handler, such as period-statistics, achievements or leaderboard
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub handler: String,

    /// Only events published at this instant or day (UTC), or later
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<Timestamp>,

    /// Only events published before this instant or day (UTC)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<Timestamp>,

    /// Form of the summary; `json` is one object
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}
