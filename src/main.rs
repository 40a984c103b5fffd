//! The activelog program.

use std::process::ExitCode;

use activelog_interfaces::cli::Cli;
use clap::Parser;

fn main() -> ExitCode {
    // The parser itself answers wrong arguments, with exit code 2.
    match activelog::run(&Cli::parse()) {
        Ok(status) => status.into(),
        Err(error) => {
            error.report();
            error.status().into()
        }
    }
}
