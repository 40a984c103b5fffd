use clap::Args;

use super::OutputFormat;

/// Arguments of `doctor`.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// Form of the output; `json` is one object
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,
}

/// Examples and exit codes, for its help.
pub(super) const AFTER_HELP: &str = "\
Examples:
  activelog doctor
  activelog doctor --output json | jq '.findings[] | select(.severity != \"ok\")'
  ACTIVELOG_BROKER_URL=redis://cache activelog doctor

It looks and changes nothing: no schema, stream, topic or queue is made, and no event published.
Exit code 0 when nothing is wrong, also with warnings; 1 when something has to be mended.";
