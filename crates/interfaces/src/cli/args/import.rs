use std::path::PathBuf;

use clap::{Args, ValueEnum};
use uuid::Uuid;

use super::OutputFormat;

/// The help that stands below the arguments of `import`.
const AFTER_HELP: &str = "\
Examples:
  activelog import activities.csv --user 01929d5e-0000-7000-8000-000000000001
  activelog import export/activities.csv.gz --user 01929d5e-0000-7000-8000-000000000001 --dry-run
  activelog import activities.csv --user 01929d5e-0000-7000-8000-000000000001 --report refused.csv

Exit codes:
  0    every row was imported now or before
  1    stopped by an error; run again to resume
  2    wrong usage, or the file is not an export
  3    done, but some rows were refused
  130  interrupted (Ctrl-C); run again to resume";

/// Arguments of `import`.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER_HELP)]
pub struct ImportArgs {
    /// The file: `activities.csv` of a Strava bulk export, plain or gzipped
    pub file: PathBuf,

    /// Whose activities they are
    #[arg(long, value_name = "UUID")]
    pub user: Uuid,

    /// What wrote the file
    #[arg(long, value_enum, default_value_t)]
    pub source: Source,

    /// Form of the summary; `json` lists every refused row
    #[arg(long, short, value_enum, default_value_t)]
    pub output: OutputFormat,

    /// Write every refused row, with line and reason, to this CSV file
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,

    /// Read and check the file, and store nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What a file to import was written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Source {
    /// A Strava bulk export
    #[default]
    Strava,
}

impl Source {
    /// The name under which imported rows are remembered.
    pub fn name(self) -> &'static str {
        match self {
            Self::Strava => "strava",
        }
    }
}
