use std::{io::Write, sync::Arc};

use activelog_application::ports::Journal;
use activelog_interfaces::cli::{TailArgs, events};
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
