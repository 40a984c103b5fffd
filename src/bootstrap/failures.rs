use activelog_application::failures::{FailedEvents, Remedy};
use activelog_interfaces::cli::{DeadLettersCommand, ParkedCommand, RemedyArgs};

use super::{Application, Lifecycle, SchemaPolicy};
use crate::{
    commands::{
        CommandError, ExitStatus, choose_dead_letters, list_dead_letters, list_parked, remedy_dead_letters,
        show_dead_letter,
    },
    config::Config,
};

/// Runs a command on dead letters.
pub(super) async fn dead_letters(
    command: &DeadLettersCommand,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    match command {
        DeadLettersCommand::List(args) => {
            on_failed(config, lifecycle, async |failed| list_dead_letters(failed, args, &lifecycle.stop).await).await
        }
        DeadLettersCommand::Show(args) => {
            on_failed(config, lifecycle, async |failed| show_dead_letter(failed, args).await).await
        }
        DeadLettersCommand::Replay(args) => remedy(Remedy::Replay, args, config, lifecycle).await,
        DeadLettersCommand::Discard(args) => remedy(Remedy::Discard, args, config, lifecycle).await,
    }
}

/// Runs a command on parked events.
pub(super) async fn parked(
    command: &ParkedCommand,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    let ParkedCommand::List(args) = command;
    on_failed(config, lifecycle, async |failed| list_parked(failed, args, &lifecycle.stop).await).await
}

async fn remedy(
    remedy: Remedy,
    args: &RemedyArgs,
    config: &Config,
    lifecycle: &Lifecycle,
) -> Result<ExitStatus, CommandError> {
    // Before a database is touched.
    let choice = choose_dead_letters(args)?;
    let work = async |failed: &FailedEvents| remedy_dead_letters(failed, remedy, &choice, args, &lifecycle.stop).await;
    on_failed(config, lifecycle, work).await
}

/// Opens the storage for `work` on the failed events it holds, and closes it.
async fn on_failed(
    config: &Config,
    lifecycle: &Lifecycle,
    work: impl AsyncFnOnce(&FailedEvents) -> Result<ExitStatus, CommandError>,
) -> Result<ExitStatus, CommandError> {
    let application = Application::open(config, SchemaPolicy::Refuse).await.map_err(CommandError::failed)?;
    let work = async {
        let outcome = work(&application.failed_events()).await;
        application.close().await;
        outcome
    };
    // Every change is a transaction of its own: what was done stays done.
    lifecycle.hard_stop.run_until_cancelled(work).await.unwrap_or(Ok(ExitStatus::Interrupted))
}
