use std::io::Write;

use activelog_interfaces::cli::{Cli, CompletionsArgs};
use clap::CommandFactory;

use super::{CommandError, ExitStatus};

/// Prints the completions of a shell.
///
/// # Errors
/// When they cannot be written.
pub fn completions(args: &CompletionsArgs, output: &mut dyn Write) -> Result<ExitStatus, CommandError> {
    // Into memory first: the generator panics when its output goes away.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "activelog", &mut script);
    super::exit::written(output.write_all(&script).and_then(|()| output.flush()))
}
