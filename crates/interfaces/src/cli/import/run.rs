use std::{collections::HashSet, io, time::Duration};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, ready},
    stream::FuturesOrdered,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ImportFailure, ImportReport, ImportRow, Importer, Progress, Refusal, RefusalSink, RowEvent, Stop};

/// How an import is run.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The most rows under way at once, at least 1. Many of them share a commit.
    pub in_flight: usize,
    /// How often a row is tried while the storage is in trouble, the first time included.
    pub attempts: u32,
    /// The pause after the first attempt; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for ImportOptions {
    /// 64 rows at once; 8 attempts over some 20 seconds.
    fn default() -> Self {
        Self {
            in_flight: 64,
            attempts: 8,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// What became of a row.
enum Outcome {
    Imported(String),
    Skipped(String),
    Refused(Option<String>, Refusal),
    Stopped(Stop),
}

/// Imports rows until there are none left, one fails for good, or `cancel` asks for a stop; then waits for those under way. Outcomes are
/// counted in the order of the rows, and of rows with the same id the first is the one that is imported.
pub async fn run(
    mut rows: mpsc::Receiver<io::Result<RowEvent>>,
    importer: &dyn Importer,
    options: &ImportOptions,
    refusals: &mut RefusalSink,
    progress: &Progress,
    cancel: &CancellationToken,
) -> ImportReport {
    let mut intake = Intake { importer, options, cancel, under_way: FuturesOrdered::new(), ids: HashSet::new() };
    let mut report = ImportReport::default();
    // A row whose id is under way waits here, and everything behind it.
    let mut waiting: Option<Box<ImportRow>> = None;
    let mut open = true;
    loop {
        if report.stop != Stop::Completed {
            open = false;
            waiting = None;
        }
        if let Some(row) = waiting.take_if(|row| !intake.ids.contains(&row.external_id)) {
            intake.start(row);
        }
        let room = open && waiting.is_none() && intake.under_way.len() < options.in_flight.max(1);
        tokio::select! {
            biased;
            () = cancel.cancelled(), if report.stop == Stop::Completed && (open || waiting.is_some()) => {
                report.stop = Stop::Interrupted;
            }
            Some(outcome) = intake.under_way.next(), if !intake.under_way.is_empty() => {
                count(outcome, &mut report, &mut intake.ids, refusals);
                progress.update(&report);
            }
            row = rows.recv(), if room => match row {
                Some(Ok(RowEvent::Row(row))) => waiting = Some(row),
                Some(Ok(RowEvent::Refused(refusal))) => intake.refuse(refusal),
                Some(Err(error)) => intake.stop(format!("the file cannot be read further: {error}")),
                None => open = false,
            },
            else => break,
        }
    }
    progress.finish();
    report
}

struct Intake<'a> {
    importer: &'a dyn Importer,
    options: &'a ImportOptions,
    cancel: &'a CancellationToken,
    under_way: FuturesOrdered<BoxFuture<'a, Outcome>>,
    /// The ids of rows under way.
    ids: HashSet<String>,
}

impl Intake<'_> {
    fn start(&mut self, row: Box<ImportRow>) {
        self.ids.insert(row.external_id.clone());
        self.under_way.push_back(import(self.importer, self.options, self.cancel, row).boxed());
    }

    /// Takes its turn behind the rows before it.
    fn refuse(&mut self, refusal: Refusal) {
        self.under_way.push_back(ready(Outcome::Refused(None, refusal)).boxed());
    }

    fn stop(&mut self, reason: String) {
        self.under_way.push_back(ready(Outcome::Stopped(Stop::Failed(reason))).boxed());
    }
}

/// Imports one row, again and again while the storage is in trouble.
async fn import(
    importer: &dyn Importer,
    options: &ImportOptions,
    cancel: &CancellationToken,
    row: Box<ImportRow>,
) -> Outcome {
    let mut pause = options.first_pause;
    let mut maybe_stored = false;
    for attempt in 1.. {
        match importer.import(&row).await {
            Ok(()) => return Outcome::Imported(row.external_id),
            Err(ImportFailure::AlreadyImported) if maybe_stored => return Outcome::Imported(row.external_id),
            Err(ImportFailure::AlreadyImported) => return Outcome::Skipped(row.external_id),
            Err(ImportFailure::Refused(reason)) => {
                let ImportRow { line, external_id, .. } = *row;
                let refusal = Refusal { line, activity_id: Some(external_id.clone()), reason };
                return Outcome::Refused(Some(external_id), refusal);
            }
            Err(ImportFailure::Fatal(reason)) => return Outcome::Stopped(Stop::Failed(reason)),
            Err(ImportFailure::Transient { reason, retry_after, outcome_unknown }) => {
                maybe_stored |= outcome_unknown;
                if attempt >= options.attempts {
                    return Outcome::Stopped(Stop::Failed(format!("{reason} (tried {attempt} times)")));
                }
                tracing::warn!(line = row.line, attempt, %reason, "a row could not be stored yet; trying again");
                let wait = pause.max(retry_after).min(options.longest_pause);
                tokio::select! {
                    () = cancel.cancelled() => return Outcome::Stopped(Stop::Interrupted),
                    () = tokio::time::sleep(wait) => {}
                }
                pause = pause.saturating_mul(2);
            }
        }
    }
    Outcome::Stopped(Stop::Interrupted)
}

fn count(outcome: Outcome, report: &mut ImportReport, ids: &mut HashSet<String>, refusals: &mut RefusalSink) {
    match outcome {
        Outcome::Imported(id) => {
            ids.remove(&id);
            report.imported += 1;
        }
        Outcome::Skipped(id) => {
            ids.remove(&id);
            report.skipped += 1;
        }
        Outcome::Refused(id, refusal) => {
            if let Some(id) = id {
                ids.remove(&id);
            }
            if let Err(error) = refusals.take(&refusal) {
                fail(report, Stop::Failed(format!("cannot write the list of refused rows: {error}")));
            }
            report.refuse(refusal);
        }
        Outcome::Stopped(stop) => fail(report, stop),
    }
}

/// Keeps the first failure; a failure says more than an interruption.
fn fail(report: &mut ImportReport, stop: Stop) {
    if !matches!(report.stop, Stop::Failed(_)) {
        report.stop = stop;
    }
}
