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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use activelog_application::{
        activity::ports::Repositories,
        ports::{Isolation, TransactionOptions, UnitOfWorkFactory},
        testing::{MemoryRepositories, broker::event},
    };
    use jiff::Timestamp;

    use super::*;

    async fn store(events: u64) -> (MemoryRepositories, Vec<Uuid>) {
        let store = MemoryRepositories::new();
        let options = TransactionOptions::new(Isolation::ReadCommitted, Duration::from_secs(5));
        let mut uow: Box<dyn Repositories> = store.begin(options).await.expect("a unit of work");
        let mut ids = Vec::new();
        for n in 1..=events {
            let event = event("thing.due", &format!("thing-{}", n % 2), n);
            ids.push(event.id);
            uow.outbox().schedule(&event, Timestamp::constant(1_800_000_000, 0)).await.expect("scheduled");
        }
        uow.commit().await.expect("committed");
        (store, ids)
    }

    async fn listed(store: &MemoryRepositories, args: &ScheduledListArgs) -> Vec<String> {
        let mut output = Vec::new();
        list_scheduled(store, args, &mut output, &CancellationToken::new()).await.expect("memory can be read");
        String::from_utf8(output).expect("UTF-8").lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_list_is_in_order_over_pages_and_keeps_to_its_limit() {
        let (store, ids) = store(1_200).await;
        let args = |limit| ScheduledListArgs { limit, ..ScheduledListArgs::default() };
        let lines = listed(&store, &args(1_100)).await;
        assert_eq!(lines.len(), 1_100);
        assert!(lines.iter().zip(&ids).all(|(line, id)| line.contains(&id.to_string())), "{:?}", lines.first());
        let one = ScheduledListArgs { subject: Some("thing-1".into()), ..args(5_000) };
        assert_eq!(listed(&store, &one).await.len(), 600);
    }

    #[tokio::test]
    async fn cancelling_says_what_became_of_each() {
        let (store, ids) = store(2).await;
        let args = ScheduledCancelArgs { events: vec![ids[0], ids[0]], output: OutputFormat::Json };
        let mut output = Vec::new();
        let all = cancel_scheduled(&store, &args, &mut output).await.expect("memory can be changed");
        let lines = String::from_utf8(output).expect("UTF-8");
        let expected =
            format!("{{\"event\":\"{0}\",\"cancelled\":true}}\n{{\"event\":\"{0}\",\"cancelled\":false}}\n", ids[0]);
        assert_eq!((all, lines), (false, expected));
    }
}
