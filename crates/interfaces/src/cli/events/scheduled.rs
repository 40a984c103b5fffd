use std::io::{self, Write};

use activelog_application::ports::{
    SCHEDULED_PAGE_MAX, ScheduledEvent, ScheduledEvents, ScheduledFilter, StorageError,
};
use activelog_domain::event::EventEnvelope;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::format::shown_data;
use crate::cli::{OutputFormat, ScheduledCancelArgs, ScheduledListArgs, terminal::one_line};

/// Looking at the schedule, or changing it, failed.
#[derive(Debug, thiserror::Error)]
pub enum ScheduledError {
    /// The schedule cannot be read or changed.
    #[error("cannot reach the schedule: {0}")]
    Storage(#[from] StorageError),
    /// What was read cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

#[derive(Serialize)]
struct Line<'a> {
    due: jiff::Timestamp,
    scheduled_at: jiff::Timestamp,
    event: &'a EventEnvelope,
}

/// Prints scheduled events in the order in which they are due. `cancel` ends it between two pages, and so does a reader of the output
/// that goes away.
///
/// # Errors
/// When the schedule cannot be read or the output not be written.
pub async fn list_scheduled(
    store: &dyn ScheduledEvents,
    args: &ScheduledListArgs,
    output: &mut (dyn Write + Send),
    cancel: &CancellationToken,
) -> Result<(), ScheduledError> {
    match cancel.run_until_cancelled(print(store, args, output)).await {
        Some(Err(ScheduledError::Output(error))) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Some(result) => result,
        None => Ok(()),
    }
}

async fn print(
    store: &dyn ScheduledEvents,
    args: &ScheduledListArgs,
    output: &mut (dyn Write + Send),
) -> Result<(), ScheduledError> {
    let filter = ScheduledFilter { name: args.name.clone(), subject: args.subject.clone() };
    let (mut after, mut left) = (None, args.limit);
    while left > 0 {
        let limit = u32::try_from(left).unwrap_or(u32::MAX).min(SCHEDULED_PAGE_MAX);
        let page = store.list(&filter, after, limit).await?;
        for scheduled in &page {
            write_scheduled(output, args.output, scheduled)?;
        }
        output.flush()?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.place());
        left = left.saturating_sub(page.len() as u64);
    }
    Ok(())
}

fn write_scheduled(output: &mut dyn Write, format: OutputFormat, scheduled: &ScheduledEvent) -> io::Result<()> {
    let ScheduledEvent { due, scheduled_at, event, .. } = scheduled;
    match format {
        OutputFormat::Json => {
            serde_json::to_writer(&mut *output, &Line { due: *due, scheduled_at: *scheduled_at, event })?;
            output.write_all(b"\n")
        }
        OutputFormat::Text => {
            let (id, name, subject) = (event.id, one_line(&event.name), one_line(&event.subject));
            writeln!(output, "{due}  {id}  {name:<18}  {subject}  {}", shown_data(event))
        }
    }
}

#[derive(Serialize)]
struct Cancelled {
    event: Uuid,
    cancelled: bool,
}

/// Takes events off the schedule and says of each what became of it. Answers whether all were on it.
///
/// # Errors
/// When the schedule cannot be changed or the output not be written; events before that one are off it.
pub async fn cancel_scheduled(
    store: &dyn ScheduledEvents,
    args: &ScheduledCancelArgs,
    output: &mut (dyn Write + Send),
) -> Result<bool, ScheduledError> {
    let mut all = true;
    for event in &args.events {
        let cancelled = store.cancel(*event).await?;
        all &= cancelled;
        match args.output {
            OutputFormat::Json => {
                serde_json::to_writer(&mut *output, &Cancelled { event: *event, cancelled })
                    .map_err(io::Error::from)?;
                output.write_all(b"\n")?;
            }
            OutputFormat::Text if cancelled => writeln!(output, "{event}  cancelled")?,
            OutputFormat::Text => {
                writeln!(
                    output,
                    "{event}  not on the schedule: it was published or cancelled before, or never scheduled"
                )?;
            }
        }
        output.flush()?;
    }
    Ok(all)
}
