use std::io::{self, Write};

use activelog_interfaces::cli::{
    ImportArgs, OutputFormat,
    import::{ImportOptions, ImportReport, ImportSession, Importer, Refusal, Stop},
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{CommandError, ExitStatus};

/// Opens the file and looks at its header, before anything else is opened. `now` is what dates are checked against.
///
/// # Errors
/// When the file is no export or the report cannot be written: wrong usage.
pub fn open_import(args: &ImportArgs, now: Timestamp) -> Result<ImportSession, CommandError> {
    ImportSession::open(args, Box::new(io::stdout()), now).map_err(CommandError::usage)
}

/// Imports the file and prints a summary. `importer` stores its rows; `cancel` stops the intake, after which rows under way are
/// finished.
///
/// # Errors
/// When something failed on the way. What was imported until then stays, and the hint says so.
pub async fn run_import(
    session: ImportSession,
    args: &ImportArgs,
    importer: &dyn Importer,
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    let report = session.run(importer, &ImportOptions::default(), cancel).await.map_err(CommandError::failed)?;
    if args.output == OutputFormat::Text {
        super::exit::written(summary(args, &report, &mut io::stdout().lock()))?;
    }
    match report.stop {
        Stop::Completed if report.refused > 0 => Ok(ExitStatus::SomeRefused),
        Stop::Completed => Ok(ExitStatus::Done),
        Stop::Interrupted => Ok(ExitStatus::Interrupted),
        Stop::Failed(reason) => {
            let error = CommandError::failed(format!("the import stopped: {reason}"));
            Err(error.hint(format!("{} imported; run the same command again to resume", report.imported)))
        }
    }
}

fn summary(args: &ImportArgs, report: &ImportReport, output: &mut dyn Write) -> io::Result<()> {
    let ImportReport { imported, skipped, refused, first_refused, stop } = report;
    let verb = if args.dry_run { "would be imported" } else { "imported" };
    writeln!(output, "{imported} {verb}, {skipped} skipped (imported before), {refused} refused")?;
    for Refusal { line, reason, .. } in first_refused {
        writeln!(output, "  line {line}: {reason}")?;
    }
    let hidden = refused.saturating_sub(first_refused.len() as u64);
    match &args.report {
        Some(path) if *refused > 0 => writeln!(output, "All refused rows are in {}", path.display())?,
        None if hidden > 0 => writeln!(output, "  … and {hidden} more: --report FILE or --output json lists them all")?,
        _ => {}
    }
    if *stop == Stop::Interrupted {
        writeln!(output, "Interrupted. What was imported is kept; run the same command again to resume")?;
    }
    output.flush()
}
