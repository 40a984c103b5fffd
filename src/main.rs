//! The program: reads its arguments and configuration, and hands over to a command.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use activelog::{
    bootstrap::{dispatch, examine},
    commands::{CommandError, ExitStatus, completions, show_config, show_diagnosis},
    config::{LogConfig, LogFormat, load},
};
use activelog_interfaces::cli::{Cli, Command};
use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Wrong arguments are answered by the parser, with exit code 2.
    match run(&Cli::parse()) {
        Ok(status) => status.into(),
        Err(error) => {
            error.report();
            error.status().into()
        }
    }
}

fn run(cli: &Cli) -> Result<ExitStatus, CommandError> {
    let mut output = io::stdout().lock();
    if let Command::Completions(args) = &cli.command {
        return completions(args, &mut output);
    }
    let loaded = load(&cli.global)?;
    if let Command::Config(args) = &cli.command {
        return show_config(&loaded, args, &mut output);
    }
    drop(output);
    init_logging(&loaded.config.log);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::failed)?;
    let outcome = match &cli.command {
        Command::Doctor(args) => {
            let diagnosis = runtime.block_on(examine(&loaded));
            show_diagnosis(&diagnosis, args, &mut io::stdout().lock())
        }
        command => runtime.block_on(dispatch(command, &loaded.config)),
    };
    // What is still running after a hard stop is left alone; it is rolled back by the database.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    outcome
}

/// Logs go to standard error: standard output belongs to what a command prints.
fn init_logging(config: &LogConfig) {
    let filter = EnvFilter::new(&config.filter);
    // Colours are for people who look on and have not asked for none (https://no-color.org); a file stays plain.
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    match config.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
