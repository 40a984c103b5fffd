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

What the handler has made is removed, all of it, and made anew from the journal. Where the journal no longer holds all of it
(retention.journal), nothing is done without --from or --partial, as what is older would be gone. With --from or --to it is made
of the events of that time alone. Everything else goes on: events that arrive for the handler meanwhile are parked, and running
workers take them afterwards, in order. Until it ends, what the handler makes is incomplete. Nobody is notified of anything a
second time.

Exit codes:
  0    done
  1    stopped by an error; run the same command again to resume
  2    wrong usage, or a journal that is not complete: nothing was begun
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

    /// Go on although the journal no longer has all of these events: what is older is gone afterwards
    #[arg(long)]
    pub partial: bool,

    /// Form of the summary; `json` is one object
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}
