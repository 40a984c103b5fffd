use std::io::Write;

use activelog_application::ports::Clock;
use activelog_infrastructure::clock::SystemClock;
use activelog_interfaces::cli::{
    Command, EventsCommand, ImportArgs, RoleArgs, ScheduledCommand, TailArgs,
    import::{DryRun, UseCaseImporter},
};

use super::{Application, Lifecycle, Role, SchemaPolicy, bridge, broker_tools, failures, replay, run_role};
use crate::{
    commands::{CommandError, ExitStatus, open_import, run_import, scheduled_events, tail_events, written},
    config::Config,
};

/// Runs a command that works on the database.
///
/// # Errors
/// When it cannot begin or fails; the error says what to do.
pub async fn dispatch(command: &Command, config: &Config) -> Result<ExitStatus, CommandError> {
    let lifecycle = match command {
        Command::Import(_)
        | Command::Bridge(_)
        | Command::Events(_)
        | Command::Groups(_)
        | Command::DeadLetters(_)
        | Command::Parked(_) => Lifecycle::on_signals_quietly(),
        _ => Lifecycle::on_signals(),
    };
    let lifecycle = lifecycle.map_err(CommandError::failed)?;
    match command {
        Command::Serve(args) => role(Role::Serve, args, config, &lifecycle).await,
        Command::Api(args) => role(Role::Api, args, config, &lifecycle).await,
        Command::Worker(args) => role(Role::Worker, args, config, &lifecycle).await,
        Command::Relay(args) => role(Role::Relay, args, config, &lifecycle).await,
        Command::Migrate => migrate(config).await,
        Command::Import(args) => import(args, config, &lifecycle).await,
        Command::Events(args) => match &args.command {
            EventsCommand::Tail(args) if args.broker => broker_tools::tail(args, config, &lifecycle).await,
            EventsCommand::Publish(args) => broker_tools::publish(args, config, &lifecycle).await,
            EventsCommand::Tail(args) => tail(args, config, &lifecycle).await,
            EventsCommand::Replay(args) => replay::replay(args, config, &lifecycle).await,
            EventsCommand::Scheduled(args) => scheduled(&args.command, config, &lifecycle).await,
        },
        Command::Bridge(args) => bridge::bridge(args, config, &lifecycle).await,
        Command::Groups(args) => broker_tools::groups(&args.command, config, &lifecycle).await,
        Command::DeadLetters(args) => failures::dead_letters(&args.command, config, &lifecycle).await,
        Command::Parked(args) => failures::parked(&args.command, config, &lifecycle).await,
        // These work on no database and are answered before.
        Command::Config(_) | Command::Completions(_) | Command::Doctor(_) => Ok(ExitStatus::Done),
    }
}

async fn open(config: &Config, schema: SchemaPolicy) -> Result<Application, CommandError> {
    Application::open(config, schema).await.map_err(CommandError::failed)
}

async fn role(role: Role, args: &RoleArgs, config: &Config, lifecycle: &Lifecycle) -> Result<ExitStatus, CommandError> {
    let schema = if args.no_migrate { SchemaPolicy::Refuse } else { SchemaPolicy::Migrate };
    match run_role(role, config, schema, lifecycle).await {
        Ok(true) => Ok(ExitStatus::Done),
        Ok(false) => Ok(ExitStatus::Interrupted),
        Err(error) => Err(CommandError::failed(error)),
    }
}

async fn migrate(config: &Config) -> Result<ExitStatus, CommandError> {
    let application = open(config, SchemaPolicy::Migrate).await?;
    let done = format!("The schema is up to date: {}\n", application.storage.description);
    application.close().await;
    written(std::io::stdout().write_all(done.as_bytes()))
}

async fn import(args: &ImportArgs, config: &Config, lifecycle: &Lifecycle) -> Result<ExitStatus, CommandError> {
    // The file first: a wrong one must not touch a database.
    let session = open_import(args, SystemClock.now())?;
    if args.dry_run {
        return run_import(session, args, &DryRun::default(), &lifecycle.stop).await;
    }
    let application = open(config, SchemaPolicy::Migrate).await?;
    let importer = UseCaseImporter::new(application.log.clone(), args.source);
    let work = async {
        let outcome = run_import(session, args, &importer, &lifecycle.stop).await;
        application.close().await;
        outcome
    };
    // Rows that are not finished in time are imported when it is run again.
    lifecycle.hard_stop.run_until_cancelled(work).await.unwrap_or(Ok(ExitStatus::Interrupted))
}

async fn tail(args: &TailArgs, config: &Config, lifecycle: &Lifecycle) -> Result<ExitStatus, CommandError> {
    let application = open(config, SchemaPolicy::Refuse).await?;
    let journal = application.storage.journal.clone();
    let outcome = tail_events(journal, args, &mut std::io::BufWriter::new(std::io::stdout()), &lifecycle.stop).await;
    application.close().await;
    outcome
}

async fn scheduled(
    command: &ScheduledCommand,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    let application = open(config, SchemaPolicy::Refuse).await?;
    let outcome =
        scheduled_events(&*application.storage.scheduled, command, &mut std::io::stdout(), &lifecycle.stop).await;
    application.close().await;
    outcome
}
