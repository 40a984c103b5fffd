use std::io;

use activelog_application::failures::FailedEvents;
use activelog_interfaces::cli::{ListParkedArgs, parked};
use tokio_util::sync::CancellationToken;

use super::{CommandError, ExitStatus};

/// Lists parked events. Ends early, and well, when `cancel` is set.
///
/// # Errors
/// When they cannot be read or written.
pub async fn list_parked(
    failed: &FailedEvents,
    args: &ListParkedArgs,
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    let mut output = io::BufWriter::new(io::stdout());
    parked::list(failed, args, &mut output, &mut io::stderr(), cancel).await.map_err(CommandError::failed)?;
    Ok(ExitStatus::Done)
}
