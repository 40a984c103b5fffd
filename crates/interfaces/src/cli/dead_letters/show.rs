use std::io::Write;

use activelog_application::failures::FailedEvents;

use super::{
    FailedEventsError,
    error::unless_reader_left,
    format::{write_json, write_whole},
};
use crate::cli::{OutputFormat, ShowDeadLetterArgs};

/// Shows one dead letter. `false` when there is none of this number.
///
/// # Errors
/// When it cannot be read or written.
pub async fn show(
    failed: &FailedEvents,
    args: &ShowDeadLetterArgs,
    output: &mut (dyn Write + Send),
) -> Result<bool, FailedEventsError> {
    let Some(letter) = failed.show(args.id).await? else { return Ok(false) };
    let written = match args.output {
        OutputFormat::Text => write_whole(output, &letter),
        OutputFormat::Json => write_json(output, &letter),
    };
    unless_reader_left(written.and_then(|()| output.flush()).map_err(FailedEventsError::from))?;
    Ok(true)
}
