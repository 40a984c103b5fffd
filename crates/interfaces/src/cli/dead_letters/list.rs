use std::io::Write;

use activelog_application::{
    failures::FailedEvents,
    ports::{DeadLetterFilter, PARKING_PAGE_MAX},
};
use tokio_util::sync::CancellationToken;

use super::{
    FailedEventsError,
    choice::{ChoiceError, in_order},
    error::unless_reader_left,
    format::{write_head, write_json, write_line},
};
use crate::cli::{ListDeadLettersArgs, OutputFormat};

impl ListDeadLettersArgs {
    /// The filter.
    ///
    /// # Errors
    /// When its times are the wrong way round.
    pub fn filter(&self) -> Result<DeadLetterFilter, ChoiceError> {
        let filter = DeadLetterFilter { state: self.state, ..self.filter.filter() };
        in_order(&filter).map(|()| filter)
    }
}

/// Lists dead letters that `filter` chooses as `args` say, and on `notes` says what a list cannot: that there are none, or more. Ends early,
/// and well, when `cancel` is set.
///
/// # Errors
/// When they cannot be read or written.
pub async fn list(
    failed: &FailedEvents,
    filter: &DeadLetterFilter,
    args: &ListDeadLettersArgs,
    output: &mut (dyn Write + Send),
    notes: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<(), FailedEventsError> {
    let listing = print(failed, filter, args, output, notes);
    unless_reader_left(cancel.run_until_cancelled(listing).await.unwrap_or(Ok(())))
}

async fn print(
    failed: &FailedEvents,
    filter: &DeadLetterFilter,
    args: &ListDeadLettersArgs,
    output: &mut (dyn Write + Send),
    notes: &mut (dyn Write + Send),
) -> Result<(), FailedEventsError> {
    let mut left = args.limit;
    let mut before = args.before;
    let mut none = true;
    loop {
        let limit = u32::try_from(left).unwrap_or(PARKING_PAGE_MAX).min(PARKING_PAGE_MAX);
        let page = failed.list(filter, before, limit).await?;
        for letter in &page.items {
            if none && args.output == OutputFormat::Text {
                write_head(output)?;
            }
            none = false;
            match args.output {
                OutputFormat::Text => write_line(output, letter)?,
                OutputFormat::Json => write_json(output, letter)?,
            }
        }
        output.flush()?;
        left = left.saturating_sub(page.items.len() as u64);
        match page.next {
            Some(next) if left > 0 => before = Some(next),
            Some(next) => {
                writeln!(notes, "There are more: --limit for longer lists, --before {next} for the next.")?;
                break;
            }
            None => break,
        }
    }
    if none {
        writeln!(notes, "No dead letters{}.", if *filter == DeadLetterFilter::default() { "" } else { " match" })?;
    }
    Ok(())
}
