use std::{future::Future, io, sync::Arc};

use activelog_interfaces::cli::{
    Cli, Command, EventsCommand, ImportArgs, RoleArgs, TailArgs,
    import::{DryRun, UseCaseImporter},
};
use tracing_subscriber::EnvFilter;

use crate::{
    bootstrap::{Application, Lifecycle, Role, SchemaPolicy, run_roles, system_clock},
    commands::{CommandError, ExitStatus, completions, open_import, run_import, show_config, tail_events},
    config::{Config, LogConfig, LogFormat, load},
};

/// Does what the command line says.
///
/// # Errors
/// With what went wrong and what to do about it, for a person.
pub fn run(cli: &Cli) -> Result<ExitStatus, CommandError> {
    if let Command::Completions(args) = &cli.command {
        return completions(args, &mut io::stdout());
    }
    let loaded = load(&cli.global)?;
    let config = &loaded.config;
    init_logging(&config.log);
    match &cli.command {
        Command::Config(args) => show_config(&loaded, args, &mut io::stdout()),
        Command::Completions(args) => completions(args, &mut io::stdout()),
        Command::Serve(args) => on_runtime(role(Role::Serve, args, config)),
        Command::Api(args) => on_runtime(role(Role::Api, args, config)),
        Command::Worker(args) => on_runtime(role(Role::Worker, args, config)),
        Command::Relay(args) => on_runtime(role(Role::Relay, args, config)),
        Command::Migrate => on_runtime(migrate(config)),
        Command::Import(args) => on_runtime(import(args, config)),
        Command::Events(events) => match &events.command {
            EventsCommand::Tail(args) => on_runtime(tail(args, config)),
        },
    }
}

fn on_runtime(work: impl Future<Output = Result<ExitStatus, CommandError>>) -> Result<ExitStatus, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::failed)?;
    runtime.block_on(work)
}

async fn role(role: Role, args: &RoleArgs, config: &Config) -> Result<ExitStatus, CommandError> {
    let schema = if args.no_migrate { SchemaPolicy::Refuse } else { SchemaPolicy::Migrate };
    let lifecycle = Lifecycle::on_signals().map_err(CommandError::failed)?;
    let application = Application::open(config, schema).await.map_err(CommandError::failed)?;
    match run_roles(role, config, application, &lifecycle).await {
        Ok(true) => Ok(ExitStatus::Done),
        Ok(false) => Ok(ExitStatus::Interrupted),
        Err(error) => Err(CommandError::failed(error)),
    }
}

async fn migrate(config: &Config) -> Result<ExitStatus, CommandError> {
    let application = Application::open(config, SchemaPolicy::Migrate).await.map_err(CommandError::failed)?;
    tracing::info!(storage = application.storage.description, "the database has the schema of this version");
    application.close().await;
    Ok(ExitStatus::Done)
}

async fn import(args: &ImportArgs, config: &Config) -> Result<ExitStatus, CommandError> {
    let session = open_import(args, system_clock().now())?;
    let lifecycle = Lifecycle::on_signals().map_err(CommandError::failed)?;
    if args.dry_run {
        return run_import(session, args, &DryRun::default(), &lifecycle.stop).await;
    }
    let application = Application::open(config, SchemaPolicy::Migrate).await.map_err(CommandError::failed)?;
    let importer = UseCaseImporter::new(application.log.clone(), args.source);
    let work = async {
        let outcome = run_import(session, args, &importer, &lifecycle.stop).await;
        application.close().await;
        outcome
    };
    // Rows that were not finished in time are imported when it is run again.
    lifecycle.hard_stop.run_until_cancelled(work).await.unwrap_or(Ok(ExitStatus::Interrupted))
}

async fn tail(args: &TailArgs, config: &Config) -> Result<ExitStatus, CommandError> {
    let lifecycle = Lifecycle::on_signals().map_err(CommandError::failed)?;
    let application = Application::open(config, SchemaPolicy::Refuse).await.map_err(CommandError::failed)?;
    let journal = Arc::clone(&application.storage.journal);
    let mut output = io::BufWriter::new(io::stdout());
    let outcome = tail_events(journal, args, &mut output, &lifecycle.stop).await;
    application.close().await;
    outcome
}

/// Logs go to standard error: standard output belongs to what a command prints.
fn init_logging(config: &LogConfig) {
    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&config.filter)).with_writer(io::stderr);
    match config.format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}
