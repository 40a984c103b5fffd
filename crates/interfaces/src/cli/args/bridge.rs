use std::path::PathBuf;

use activelog_application::ports::EventPattern;
use clap::Args;

/// The help that stands below the arguments of `bridge`.
pub(super) const AFTER_HELP: &str = "\
Examples:
  activelog bridge --from amqp://old:5672 --to nats://new:4222
  activelog bridge --from kafka://old:9092 --to nats://new:4222 --group workers --until-drained
  ACTIVELOG_BRIDGE_FROM=amqp://ann:…@old ACTIVELOG_BRIDGE_TO=nats://new activelog bridge --skip-refused refused.jsonl

Copies a live stream with the ids of its events and, within each partition key, their order. An event is acknowledged at the source
only after the target has taken it: kill it as you like and start it again, it goes on where it was. What was under way is then
copied a second time, under the same id. Once both brokers have answered, trouble that may pass is waited out. Run one at a time for a group, and never one in each
direction. docs/moving-brokers.md tells when it is needed: moving activelog itself needs no copying.

Exit codes:
  0    stopped (Ctrl-C, SIGTERM), or drained; what was copied is acknowledged
  1    it cannot go on: the error says why, and nothing is lost; run it again when that is mended
  2    wrong usage: nothing was begun";

/// Arguments of `bridge`.
#[derive(Debug, Clone, Args)]
pub struct BridgeArgs {
    /// The broker to copy from
    ///
    /// Other users of the machine can read flags: give a URL with a password by the variable.
    #[arg(long, value_name = "URL", env = "ACTIVELOG_BRIDGE_FROM", hide_env_values = true)]
    pub from: String,

    /// The broker to copy to
    #[arg(long, value_name = "URL", env = "ACTIVELOG_BRIDGE_TO", hide_env_values = true)]
    pub to: String,

    /// The consumer group at the source, which remembers how far it is
    #[arg(long, value_name = "NAME", default_value = "bridge")]
    pub group: String,

    /// Only events of this type; may be given several times. `*` stands for one word, `#` at the end for any rest
    #[arg(long = "type", value_name = "PATTERN")]
    pub types: Vec<EventPattern>,

    /// End when the source has nothing more, instead of going on
    #[arg(long)]
    pub until_drained: bool,

    /// Write events that the target refuses for good to this file, as JSON lines, and go on; without it they end the bridge
    #[arg(long, value_name = "FILE")]
    pub skip_refused: Option<PathBuf>,
}
