use std::{io::Write, sync::Arc};

use activelog_application::ports::{Journal, ScheduledEvents};
use activelog_interfaces::cli::{ScheduledCommand, TailArgs, events};
use tokio_util::sync::CancellationToken;

use super::{CommandError, ExitStatus};

/// Prints published events. Ends early, and well, when `cancel` is set.
///
/// # Errors
/// When the journal cannot be read or the output not be written.
pub async fn tail_events(
    journal: Arc<dyn Journal>,
    args: &TailArgs,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    events::tail(journal.as_ref(), args, output, cancel).await.map_err(CommandError::failed)?;
    // Ctrl-C is how following ends.
    Ok(ExitStatus::Done)
}

/// Prints scheduled events, or takes some off the schedule: failed when one of them was not on it.
///
/// # Errors
/// When the schedule cannot be read or changed or the output not be written.
pub async fn scheduled_events(
    store: &dyn ScheduledEvents,
    command: &ScheduledCommand,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    match command {
        ScheduledCommand::List(args) => {
            events::list_scheduled(store, args, output, cancel).await.map_err(CommandError::failed)?;
            Ok(ExitStatus::Done)
        }
        ScheduledCommand::Cancel(args) => {
            let all = events::cancel_scheduled(store, args, output).await.map_err(CommandError::failed)?;
            // What became of each has been said.
            Ok(if all { ExitStatus::Done } else { ExitStatus::Failed })
        }
    }
}
