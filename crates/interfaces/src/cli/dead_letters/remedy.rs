use std::io::{self, Write};

use activelog_application::{
    failures::{BulkOptions, FailedEvents, Remedy},
    ports::DeadLetterState,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Choice, Ending, FailedEventsError, NumbersReport, Progress, RemedyReport, error::unless_reader_left,
    format::write_line,
};
use crate::cli::{OutputFormat, RemedyArgs};

/// What a command that does something about dead letters works with.
pub struct Tools<'a> {
    /// The failed events.
    pub failed: &'a FailedEvents,
    /// Takes what was done.
    pub output: &'a mut (dyn Write + Send),
    /// Shows how far it is.
    pub progress: &'a Progress,
    /// Ends it early.
    pub cancel: &'a CancellationToken,
}

/// Does something about the chosen dead letters as `args` say, and writes what was done. Answers how it ended.
///
/// # Errors
/// When the storage fails, or what was done cannot be written. What was done until then stays done.
pub async fn remedy(
    tools: Tools<'_>,
    remedy: Remedy,
    choice: &Choice,
    args: &RemedyArgs,
) -> Result<Ending, FailedEventsError> {
    let report = match choice {
        Choice::Numbers(ids) => RemedyReport::Numbers(numbers(&tools, remedy, ids, args.dry_run).await?),
        Choice::Matching(filter) => {
            let at_most = args.limit.unwrap_or(u64::MAX);
            let options = BulkOptions { dry_run: args.dry_run, at_most, ..BulkOptions::default() };
            let mut progress = |report: &_| tools.progress.update(report);
            let run = tools.failed.remedy_all(remedy, filter, options, tools.cancel, &mut progress).await;
            tools.progress.finish();
            let report = run?;
            let interrupted = !args.dry_run && report.next.is_some() && tools.cancel.is_cancelled();
            RemedyReport::Matching { report, interrupted }
        }
    };
    let written = match (args.output, &report) {
        (OutputFormat::Json, report) => write_json(tools.output, remedy, args, report),
        (OutputFormat::Text, RemedyReport::Numbers(report)) => write_numbers(tools.output, remedy, args, report),
        (OutputFormat::Text, report) => write_matching(tools.output, remedy, args, report),
    };
    unless_reader_left(written.and_then(|()| tools.output.flush()).map_err(FailedEventsError::from))?;
    Ok(report.ending())
}

async fn numbers(
    tools: &Tools<'_>,
    remedy: Remedy,
    ids: &[i64],
    dry_run: bool,
) -> Result<NumbersReport, FailedEventsError> {
    let mut report = NumbersReport::default();
    for id in ids {
        if tools.cancel.is_cancelled() {
            report.interrupted = true;
            break;
        }
        report.note(*id, tools.failed.remedy(remedy, *id, dry_run).await?);
    }
    Ok(report)
}

/// What is done, in the words for it.
fn done(remedy: Remedy, dry_run: bool) -> &'static str {
    match (remedy, dry_run) {
        (Remedy::Replay, false) => "replayed",
        (Remedy::Replay, true) => "would be replayed",
        (Remedy::Discard, false) => "discarded",
        (Remedy::Discard, true) => "would be discarded",
    }
}

fn write_numbers(output: &mut dyn Write, remedy: Remedy, args: &RemedyArgs, report: &NumbersReport) -> io::Result<()> {
    for id in &report.done {
        writeln!(output, "{id}: {}", done(remedy, args.dry_run))?;
    }
    for (id, state) in &report.not_dead {
        let what = match state {
            DeadLetterState::Dead | DeadLetterState::Replaying => "is being replayed",
            DeadLetterState::Replayed => "was replayed, and its handler has taken it",
            DeadLetterState::Discarded => "was discarded",
        };
        writeln!(output, "{id}: {what}; nothing was done")?;
    }
    for id in &report.not_found {
        writeln!(output, "{id}: there is no such dead letter")?;
    }
    if report.interrupted {
        writeln!(output, "Interrupted; run the same command again to go on")?;
    }
    Ok(())
}

fn write_matching(output: &mut dyn Write, remedy: Remedy, args: &RemedyArgs, report: &RemedyReport) -> io::Result<()> {
    let RemedyReport::Matching { report, interrupted } = report else { return Ok(()) };
    if report.matched == 0 {
        return writeln!(output, "No dead letters match: nothing to {}", remedy.as_str());
    }
    if args.dry_run {
        let would = report.matched.min(args.limit.unwrap_or(u64::MAX));
        writeln!(output, "{would} {}", done(remedy, true))?;
        report.first.iter().try_for_each(|letter| write_line(output, letter))?;
        let hidden = would.saturating_sub(report.first.len() as u64);
        return if hidden > 0 { writeln!(output, "  … and {hidden} more") } else { Ok(()) };
    }
    write!(output, "{} {}", report.done, done(remedy, false))?;
    if report.skipped > 0 {
        write!(output, ", {} were not dead any more", report.skipped)?;
    }
    match (report.remaining(), interrupted) {
        (0, _) => writeln!(output),
        (left, true) => writeln!(output, ", {left} left. Interrupted; run the same command again to go on"),
        (left, false) => writeln!(output, ", {left} left"),
    }
}

fn write_json(output: &mut dyn Write, remedy: Remedy, args: &RemedyArgs, report: &RemedyReport) -> io::Result<()> {
    let (action, dry_run) = (remedy.as_str(), args.dry_run);
    let status = if report.ending() == Ending::Interrupted { "interrupted" } else { "completed" };
    let document = match report {
        RemedyReport::Numbers(NumbersReport { done, not_found, not_dead, .. }) => {
            let not_dead: Vec<_> =
                not_dead.iter().map(|(id, state)| json!({ "id": id, "state": state.as_str() })).collect();
            json!({
                "action": action, "dry_run": dry_run, "status": status,
                "done": if dry_run { &[] } else { done.as_slice() }, "would": if dry_run { done.as_slice() } else { &[] },
                "not_found": not_found, "not_dead": not_dead,
            })
        }
        RemedyReport::Matching { report, .. } => json!({
            "action": action, "dry_run": dry_run, "status": status,
            "would": if dry_run { report.matched.min(args.limit.unwrap_or(u64::MAX)) } else { 0 },
            "matched": report.matched, "done": report.done, "skipped": report.skipped, "remaining": report.remaining(),
        }),
    };
    writeln!(output, "{document}")
}
