use std::{io::Write, sync::Arc};

use activelog_application::{
    activity::ports::Repositories,
    delivery::Replayer,
    ports::{Broker, Journal, Replays, ScheduledEvents},
};
use activelog_interfaces::cli::{
    ReplayArgs, ScheduledCommand, TailArgs,
    events::{self, ReplayProgress},
};
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

/// Prints the events of a broker, reading as `group`. Ends early, and well, when `cancel` is set.
///
/// # Errors
/// When the broker cannot be read, its group not be removed, or the output not be written.
pub async fn tail_broker_events(
    broker: &Broker,
    group: &str,
    args: &TailArgs,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    match events::tail_broker(broker, group, args, output, cancel).await {
        Ok(()) => Ok(ExitStatus::Done),
        Err(error @ events::BrokerTailError::NoBeginning(_)) => Err(CommandError::usage(error)),
        Err(error) => Err(CommandError::failed(error)),
    }
}

/// Replays the events of a handler and says what was done. `cancel` interrupts it between two steps.
///
/// # Errors
/// When the arguments make no sense, or it cannot go on: it resumes when it is run again.
pub async fn replay_events(
    replayer: &Replayer<dyn Repositories>,
    replays: &dyn Replays,
    args: &ReplayArgs,
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    let (mut output, progress) = (std::io::stdout(), ReplayProgress::new());
    match events::replay(replayer, replays, args, &mut output, &progress, cancel).await {
        Ok(true) => Ok(ExitStatus::Done),
        Ok(false) => Ok(ExitStatus::Interrupted),
        Err(error) if error.is_usage() => Err(CommandError::usage(error)),
        Err(error) => Err(CommandError::failed(error)),
    }
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
