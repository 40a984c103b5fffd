use activelog_application::ports::Clock;
use activelog_infrastructure::clock::SystemClock;
use activelog_interfaces::cli::{
    Command, EventsCommand, ImportArgs, RoleArgs, TailArgs,
    import::{DryRun, UseCaseImporter},
};

use super::{Application, Lifecycle, Role, SchemaPolicy, run_role};
use crate::{
    commands::{CommandError, ExitStatus, import_activities, tail_events},
    config::Config,
};

/// Runs a command that works on the database.
///
/// # Errors
/// When it cannot begin or fails; the error says what to do.
pub async fn dispatch(command: &Command, config: &Config) -> Result<ExitStatus, CommandError> {
    let lifecycle = Lifecycle::on_signals().map_err(CommandError::failed)?;
    match command {
        Command::Serve(args) => role(Role::Serve, args, config, &lifecycle).await,
        Command::Api(args) => role(Role::Api, args, config, &lifecycle).await,
        Command::Worker(args) => role(Role::Worker, args, config, &lifecycle).await,
        Command::Relay(args) => role(Role::Relay, args, config, &lifecycle).await,
        Command::Migrate => migrate(config).await,
        Command::Import(args) => import(args, config, &lifecycle).await,
        Command::Events(args) => match &args.command {
            EventsCommand::Tail(args) => tail(args, config, &lifecycle).await,
        },
        // These need no database and are answered before.
        Command::Config(_) | Command::Completions(_) => Ok(ExitStatus::Done),
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
    tracing::info!(storage = application.storage.description, "the schema is up to date");
    application.close().await;
    Ok(ExitStatus::Done)
}

async fn import(args: &ImportArgs, config: &Config, lifecycle: &Lifecycle) -> Result<ExitStatus, CommandError> {
    let now = SystemClock.now();
    if args.dry_run {
        return import_activities(args, &DryRun::default(), now, &lifecycle.stop).await;
    }
    let application = open(config, SchemaPolicy::Migrate).await?;
    let importer = UseCaseImporter::new(application.log.clone(), args.source);
    let outcome = import_activities(args, &importer, now, &lifecycle.stop).await;
    application.close().await;
    outcome
}

async fn tail(args: &TailArgs, config: &Config, lifecycle: &Lifecycle) -> Result<ExitStatus, CommandError> {
    let application = open(config, SchemaPolicy::Refuse).await?;
    let journal = application.storage.journal.clone();
    let outcome = tail_events(journal, args, &mut std::io::stdout(), &lifecycle.stop).await;
    application.close().await;
    outcome
}
