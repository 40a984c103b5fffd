use activelog_application::ports::{DeadLetterFilter, DeadLetterState, DeathReason};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::OutputFormat;
use crate::selection;

const LIST_HELP: &str = "\
Examples:
  activelog dead-letters list
  activelog dead-letters list --state dead --handler period-statistics --from 2026-03-12
  activelog dead-letters list --subject 01929d5e-0000-7000-8000-000000000001 --output json";

const SHOW_HELP: &str = "\
Example:
  activelog dead-letters show 17

Exit codes:
  0  shown
  1  there is no dead letter of this number, or the database failed";

const REPLAY_HELP: &str = "\
Examples:
  activelog dead-letters replay 17
  activelog dead-letters replay --handler period-statistics --dry-run
  activelog dead-letters replay --all

Replaying parks an event again in its old place; a worker that runs takes it at once. What dies again keeps its number and its history.
Doing it twice has the effect of once.

Exit codes:
  0    done, also when nothing matched
  1    stopped by an error, or none of the numbers could be replayed
  2    wrong usage: nothing was begun
  3    done, but some of the numbers could not be replayed
  130  interrupted (Ctrl-C): run again to go on";

const DISCARD_HELP: &str = "\
Examples:
  activelog dead-letters discard 17 18
  activelog dead-letters discard --event activity.created --to 2026-03-12 --dry-run
  activelog dead-letters discard --all

A handler never takes what was discarded, and nothing brings it back. Doing it twice has the effect of once.

Exit codes:
  0    done, also when nothing matched
  1    stopped by an error, or none of the numbers could be discarded
  2    wrong usage: nothing was begun
  3    done, but some of the numbers could not be discarded
  130  interrupted (Ctrl-C): run again to go on";

/// Arguments of `dead-letters`.
#[derive(Debug, Clone, Args)]
pub struct DeadLettersArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

/// The commands of `dead-letters`.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadLettersCommand {
    /// List events that handlers were given up on, newest first
    #[command(after_help = LIST_HELP)]
    List(ListDeadLettersArgs),

    /// Show one with its event and all its deaths
    #[command(after_help = SHOW_HELP)]
    Show(ShowDeadLetterArgs),

    /// Have handlers take them after all, oldest first
    #[command(after_help = REPLAY_HELP)]
    Replay(RemedyArgs),

    /// Give them up for ever
    #[command(after_help = DISCARD_HELP)]
    Discard(RemedyArgs),
}

/// Which dead letters. Every condition that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct DeadLetterFilterArgs {
    /// Only of this handler
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub handler: Option<String>,

    /// Only events of this type
    #[arg(long, value_name = "TYPE", value_parser = name)]
    pub event: Option<String>,

    /// Only events of this aggregate; the id of an activity will do
    #[arg(long, visible_alias = "aggregate", value_name = "SUBJECT", value_parser = subject)]
    pub subject: Option<String>,

    /// Only those that died for this reason: exhausted, permanent, undecodable or crashed
    #[arg(long, value_name = "REASON", value_parser = reason)]
    pub reason: Option<DeathReason>,

    /// Only those that died last at this instant or day (UTC), or later
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<Timestamp>,

    /// Only those that died last before this instant or day (UTC)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<Timestamp>,
}

impl DeadLetterFilterArgs {
    /// The filter, whatever the state.
    pub fn filter(&self) -> DeadLetterFilter {
        let Self { handler, event, subject, reason, from, to } = self.clone();
        DeadLetterFilter { handler, event, subject, reason, state: None, from, to }
    }
}

/// Arguments of `dead-letters list`.
#[derive(Debug, Clone, Args)]
pub struct ListDeadLettersArgs {
    /// Which.
    #[command(flatten)]
    pub filter: DeadLetterFilterArgs,

    /// Only those in this state: dead, replaying, replayed or discarded
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub state: Option<DeadLetterState>,

    /// Only those with a lower number than this
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub before: Option<i64>,

    /// How many at most
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,

    /// Form of the output; `json` is one object per line, with the event and all deaths
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `dead-letters show`.
#[derive(Debug, Clone, Args)]
pub struct ShowDeadLetterArgs {
    /// Its number, as `list` has it
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..))]
    pub id: i64,

    /// Form of the output; `json` is one object
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Arguments of `dead-letters replay` and `dead-letters discard`.
#[derive(Debug, Clone, Args)]
pub struct RemedyArgs {
    /// Their numbers, as `list` has them; instead of a filter
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(i64).range(1..), conflicts_with_all = FILTERS)]
    pub ids: Vec<i64>,

    /// Which, by what they are.
    #[command(flatten)]
    pub filter: DeadLetterFilterArgs,

    /// Every dead letter there is; instead of a filter
    #[arg(long, conflicts_with_all = FILTERS, conflicts_with = "ids")]
    pub all: bool,

    /// No more than this many, the oldest first
    #[arg(long, short = 'n', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "ids")]
    pub limit: Option<u64>,

    /// Say what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Form of the output; `json` is one object
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// The arguments of a filter.
const FILTERS: [&str; 6] = ["handler", "event", "subject", "reason", "from", "to"];

/// The name of a handler or an event.
pub(super) fn name(text: &str) -> Result<String, &'static str> {
    selection::name(text).ok_or(selection::NAME_RULE)
}

/// The subject of an event.
pub(super) fn subject(text: &str) -> Result<String, &'static str> {
    selection::subject(text).ok_or(selection::NAME_RULE)
}

fn reason(text: &str) -> Result<DeathReason, &'static str> {
    selection::reason(text).ok_or(selection::REASON_RULE)
}

fn state(text: &str) -> Result<DeadLetterState, &'static str> {
    selection::state(text).ok_or(selection::STATE_RULE)
}

/// An instant, or a day.
pub(super) fn instant(text: &str) -> Result<Timestamp, &'static str> {
    selection::instant(text).ok_or(selection::INSTANT_RULE)
}
