use std::io::Write;

use activelog_application::{
    failures::FailedEvents,
    ports::{PARKING_PAGE_MAX, ParkedFilter},
};
use tokio_util::sync::CancellationToken;

use super::format::{write_head, write_json, write_line};
use crate::cli::{
    ListParkedArgs, OutputFormat,
    dead_letters::{FailedEventsError, unless_reader_left},
};

/// Lists parked events as `args` say, and on `notes` says what a list cannot: that there are none, or more. Ends early, and well, when
/// `cancel` is set.
///
/// # Errors
/// When they cannot be read or written.
pub async fn list(
    failed: &FailedEvents,
    args: &ListParkedArgs,
    output: &mut (dyn Write + Send),
    notes: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<(), FailedEventsError> {
    let listing = print(failed, args, output, notes);
    unless_reader_left(cancel.run_until_cancelled(listing).await.unwrap_or(Ok(())))
}

async fn print(
    failed: &FailedEvents,
    args: &ListParkedArgs,
    output: &mut (dyn Write + Send),
    notes: &mut (dyn Write + Send),
) -> Result<(), FailedEventsError> {
    let filter = args.filter();
    let mut left = args.limit;
    let mut after = args.after;
    let mut none = true;
    loop {
        let limit = u32::try_from(left).unwrap_or(PARKING_PAGE_MAX).min(PARKING_PAGE_MAX);
        let page = failed.parked(&filter, after, limit).await?;
        for parked in &page.items {
            if none && args.output == OutputFormat::Text {
                write_head(output)?;
            }
            none = false;
            match args.output {
                OutputFormat::Text => write_line(output, parked)?,
                OutputFormat::Json => write_json(output, parked)?,
            }
        }
        output.flush()?;
        left = left.saturating_sub(page.items.len() as u64);
        match page.next {
            Some(next) if left > 0 => after = Some(next),
            Some(next) => {
                writeln!(notes, "There are more: --limit for longer lists, --after {next} for the next.")?;
                break;
            }
            None => break,
        }
    }
    if none {
        writeln!(notes, "No parked events{}.", if filter == ParkedFilter::default() { "" } else { " match" })?;
    }
    Ok(())
}
