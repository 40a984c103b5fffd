use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{
    BridgeArgs, ConfigArgs, DeadLettersArgs, DoctorArgs, EventsArgs, GlobalFlags, GroupsArgs, ImportArgs, ParkedArgs,
    bridge, doctor,
};

/// Exit codes, for the help of the program.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    failed
  2    wrong usage or configuration: nothing was begun
  3    done, but some of what was given was refused: rows of an import, numbers of dead letters, events
  130  interrupted (Ctrl-C): what was done is kept

Start here:
  activelog serve
  activelog import activities.csv --user 01929d5e-0000-7000-8000-000000000001";

/// An activity log in one binary: nothing to install, nothing lost.
#[derive(Debug, Clone, Parser)]
#[command(name = "activelog", version, after_help = EXIT_CODES, arg_required_else_help = true)]
#[command(subcommand_required = true, propagate_version = false, infer_subcommands = false)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalFlags,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run everything in one process: API, relay and worker
    #[command(after_help = "Example:\n  activelog serve --listen 0.0.0.0:8080 --data-dir /var/lib/activelog")]
    Serve(RoleArgs),

    /// Run the HTTP API alone
    #[command(after_help = "Example:\n  ACTIVELOG_DATABASE_URL=postgres://ann:…@db/activelog activelog api")]
    Api(RoleArgs),

    /// Run the worker alone: it takes events from the broker and runs the handlers
    #[command(after_help = "Example:\n  ACTIVELOG_DATABASE_URL=postgres://ann:…@db/activelog activelog worker")]
    Worker(RoleArgs),

    /// Run the relay alone: it publishes what the outbox holds
    #[command(after_help = "Example:\n  ACTIVELOG_DATABASE_URL=postgres://ann:…@db/activelog activelog relay")]
    Relay(RoleArgs),

    /// Bring the database to the schema of this version, and stop
    #[command(after_help = "Example:\n  activelog migrate --database-url sqlite:/var/lib/activelog/activelog.db")]
    Migrate,

    /// Show every setting in effect and where it came from
    #[command(after_help = "Examples:\n  activelog config\n  activelog config --output toml > activelog.toml")]
    Config(ConfigArgs),

    /// Look whether everything is set up as it should be, and say what to do about what is not
    #[command(after_help = doctor::AFTER_HELP)]
    Doctor(DoctorArgs),

    /// Import activities from a file; safe to run again
    Import(ImportArgs),

    /// Copy a live stream of events from one broker to another
    #[command(after_help = bridge::AFTER_HELP)]
    Bridge(BridgeArgs),

    /// Look at published and scheduled events, or publish some
    Events(EventsArgs),

    /// Consumer groups of the broker: how far they are, beginning and removing them
    Groups(GroupsArgs),

    /// Look at events that handlers were given up on; replay or discard them
    DeadLetters(DeadLettersArgs),

    /// Look at events that wait for another attempt
    Parked(ParkedArgs),

    /// Print the completions of a shell
    #[command(
        after_help = "Example:\n  activelog completions bash > ~/.local/share/bash-completion/completions/activelog"
    )]
    Completions(CompletionsArgs),
}

/// Arguments of the commands that run a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct RoleArgs {
    /// Do not change the schema: refuse to start when it is not the one of this version
    #[arg(long)]
    pub no_migrate: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}

/// The form of what a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OutputFormat {
    /// For people
    #[default]
    Text,
    /// For machines
    Json,
}
