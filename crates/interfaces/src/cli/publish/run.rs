use std::{
    io::{self, Write},
    sync::Arc,
    thread,
};

use activelog_application::ports::EventPublisher;
use activelog_domain::event::EventEnvelope;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    LineParser, PublishProgress, Source, SourceError,
    batch::{Outcome, send},
    reading::{Fed, feed},
    report::{tell, told},
};
use crate::cli::OutputFormat;

/// How many events are published at once, and how far the reader is ahead.
const AT_ONCE: usize = 500;

/// About how many bytes of events are published at once.
const BYTES_AT_ONCE: usize = 8 << 20;

/// Publishing cannot begin or go on.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The input cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What became of events cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// The system has no thread to read with.
    #[error("cannot start reading: {0}")]
    Thread(#[source] io::Error),
}

/// How publishing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishEnd {
    /// The broker has taken every event.
    Done,
    /// It has taken some and refused others.
    SomeRefused,
    /// Some lines are no events, and nothing was sent.
    NothingSent,
    /// The broker could not be made to take the rest.
    Failed,
    /// It was interrupted.
    Interrupted,
}

/// What publishing works with.
pub struct PublishTools<'a> {
    /// Where events go.
    pub publisher: Arc<dyn EventPublisher>,
    /// Reads lines.
    pub parser: LineParser,
    /// Where it is told what became of each event.
    pub output: &'a mut (dyn Write + Send),
    /// Shows how many were published.
    pub progress: &'a PublishProgress,
    /// Interrupts it.
    pub cancel: &'a CancellationToken,
}

/// How many there were.
#[derive(Default)]
struct Counts {
    accepted: u64,
    refused: u64,
}

/// Publishes the events of a source, and tells what became of each. Without `keep_going` the source is looked at as a whole before anything is sent, and
/// the first batch with an event that the broker refuses is the last.
///
/// # Errors
/// When the source cannot be read or the outcomes not be written.
pub async fn publish(
    source: Source,
    keep_going: bool,
    format: OutputFormat,
    tools: PublishTools<'_>,
) -> Result<PublishEnd, PublishError> {
    let (to, mut fed) = mpsc::channel(AT_ONCE);
    let parser = tools.parser.clone();
    let reading = move || feed(&source, !keep_going, &parser, &to);
    // A thread of its own: one that waits for standard input would keep the runtime from ending.
    thread::Builder::new().name("events-reader".to_owned()).spawn(reading).map_err(PublishError::Thread)?;
    let mut publishing = Publishing { tools, format, keep_going, counts: Counts::default() };
    let outcome = publishing.run(&mut fed).await;
    publishing.tools.progress.finish();
    let end = outcome?;
    publishing.summarise(end)?;
    Ok(end)
}

struct Publishing<'a> {
    tools: PublishTools<'a>,
    format: OutputFormat,
    keep_going: bool,
    counts: Counts,
}

impl Publishing<'_> {
    async fn run(&mut self, fed: &mut mpsc::Receiver<Fed>) -> Result<PublishEnd, PublishError> {
        loop {
            let mut taken = Vec::new();
            let cancel = self.tools.cancel;
            if cancel.run_until_cancelled(fed.recv_many(&mut taken, AT_ONCE)).await.is_none() {
                return Ok(PublishEnd::Interrupted);
            }
            // The reader says so when it ends.
            let mut end = taken.is_empty().then_some(PublishEnd::Failed);
            let mut events = Vec::new();
            for one in taken {
                match one {
                    Fed::Event(line, event) => events.push((line, *event)),
                    Fed::Refused(line, reason) => {
                        self.counts.refused += 1;
                        tell(self.tools.output, self.format, line, None, &Err(format!("no event: {reason}")))?;
                    }
                    Fed::End if self.counts.refused > 0 => end = Some(PublishEnd::SomeRefused),
                    Fed::End => end = Some(PublishEnd::Done),
                    Fed::Unsound => end = Some(PublishEnd::NothingSent),
                    Fed::Failed(error) => return Err(error.into()),
                }
            }
            for batch in batches(events) {
                if let Some(end) = self.send(&batch).await? {
                    return Ok(end);
                }
            }
            self.tools.output.flush()?;
            match end {
                Some(PublishEnd::Done) if self.counts.refused > 0 => return Ok(PublishEnd::SomeRefused),
                Some(end) => return Ok(end),
                None => {}
            }
        }
    }

    /// Sends a batch. How it ends, if it does with this.
    async fn send(&mut self, batch: &[(u64, EventEnvelope)]) -> Result<Option<PublishEnd>, PublishError> {
        let events: Vec<EventEnvelope> = batch.iter().map(|(_, event)| event.clone()).collect();
        let outcomes = send(self.tools.publisher.as_ref(), &events, self.tools.cancel).await;
        let (mut refused, mut failed) = (false, false);
        for ((line, event), outcome) in batch.iter().zip(&outcomes) {
            match outcome {
                Outcome::Accepted => self.counts.accepted += 1,
                Outcome::Refused(_) => refused = true,
                Outcome::NotSent(_) => failed = true,
            }
            self.counts.refused += u64::from(!matches!(outcome, Outcome::Accepted));
            tell(self.tools.output, self.format, *line, Some(event.id), &told(outcome))?;
        }
        self.tools.progress.published(batch.len() as u64);
        Ok(match (failed, refused) {
            (true, _) if self.tools.cancel.is_cancelled() => Some(PublishEnd::Interrupted),
            (true, _) => Some(PublishEnd::Failed),
            (_, true) if !self.keep_going => Some(PublishEnd::SomeRefused),
            _ => None,
        })
    }

    fn summarise(&mut self, end: PublishEnd) -> Result<(), PublishError> {
        if self.format == OutputFormat::Text {
            let Counts { accepted, refused } = self.counts;
            let nothing = if end == PublishEnd::NothingSent { ": nothing was sent" } else { "" };
            writeln!(self.tools.output, "{accepted} accepted by the broker, {refused} not{nothing}")?;
        }
        Ok(self.tools.output.flush()?)
    }
}

/// Batches of bounded size, in order.
fn batches(events: Vec<(u64, EventEnvelope)>) -> Vec<Vec<(u64, EventEnvelope)>> {
    let (mut batches, mut bytes) = (Vec::<Vec<_>>::new(), 0);
    for (line, event) in events {
        bytes += event.size();
        match batches.last_mut() {
            Some(batch) if bytes <= BYTES_AT_ONCE => batch.push((line, event)),
            _ => {
                bytes = event.size();
                batches.push(vec![(line, event)]);
            }
        }
    }
    batches
}
