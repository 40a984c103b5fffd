use std::path::PathBuf;

use clap::Args;

use super::OutputFormat;

/// The help that stands below the arguments of `events publish`.
pub(super) const AFTER_HELP: &str = "\
Examples:
  activelog events publish events.jsonl
  activelog events tail --output json | activelog events publish --broker-url nats://127.0.0.1:4222
  printf '%s\\n' '{\"specversion\":\"1.0\",\"source\":\"/shop\",\"type\":\"order.placed\",\"data\":{\"n\":1}}' | activelog events publish

One CloudEvent as JSON (structured mode) on each line, or a line that `events tail --output json` has printed. Needed are
specversion, source and type; an id that is missing is made, so that running the command again publishes another event.

This by-passes the outbox: the events go straight to the broker, outside of any transaction, and nothing but the broker knows of them.
`events tail`, `events replay` and retention work on the journal, which gets them with the `database:` broker alone.

Exit codes:
  0    the broker has taken every event
  1    the broker cannot be reached or something else failed; what was accepted has been told
  2    a line is no event, or too large for the broker: nothing was sent (without --keep-going)
  3    some were refused, the others are accepted
  130  interrupted (Ctrl-C); what was accepted has been told";

/// Arguments of `events publish`.
#[derive(Debug, Clone, Args)]
pub struct PublishArgs {
    /// A file with one event on each line; standard input without one
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Go on after lines and events that are refused, and send what is good without looking at the rest first
    #[arg(long)]
    pub keep_going: bool,

    /// Form of the output; `json` is one object per line
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}
