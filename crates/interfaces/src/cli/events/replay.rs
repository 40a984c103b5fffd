use std::{
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

use activelog_application::{
    delivery::{ReplayError, ReplayState, Replayer},
    ports::{Replay, Replays, StorageError, UnitOfWork},
};
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ReplayProgress;
use crate::cli::{OutputFormat, ReplayArgs};

/// Replaying events failed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayCommandError {
    /// No time is between the two.
    #[error("--from {from} is not before --to {to}: no event would be replayed")]
    EmptyRange {
        /// Where it was to begin.
        from: Timestamp,
        /// Where it was to end.
        to: Timestamp,
    },
    /// A replay that has begun is of other events.
    #[error(
        "a replay of {} has begun at {} and not ended; resume it first with: activelog events replay --handler {}{}",
        .0.handler, .0.began_at, .0.handler, range(.0)
    )]
    OtherRange(Box<Replay>),
    /// What has begun cannot be looked up.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It did not come to its end.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// What was done cannot be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl ReplayCommandError {
    /// Whether the command was used wrongly and nothing was begun.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::EmptyRange { .. } | Self::OtherRange(_) => true,
            Self::Replay(error) => error.is_refusal(),
            Self::Storage(_) | Self::Output(_) => false,
        }
    }
}

/// Replays a handler's events, or resumes what was begun, and says what was done. `cancel` interrupts it between two steps. Answers
/// whether it came to its end.
///
/// # Errors
/// When the arguments make no sense, the replay cannot go on or the output cannot be written.
pub async fn replay<U: ?Sized + UnitOfWork + 'static>(
    replayer: &Replayer<U>,
    replays: &dyn Replays,
    args: &ReplayArgs,
    output: &mut (dyn Write + Send),
    progress: &ReplayProgress,
    cancel: &CancellationToken,
) -> Result<bool, ReplayCommandError> {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        return Err(ReplayCommandError::EmptyRange { from, to });
    }
    let begun = replays.list().await?.into_iter().find(|begun| begun.handler == args.handler);
    if let Some(begun) = begun.filter(|begun| (begun.from, begun.to) != (args.from, args.to)) {
        return Err(ReplayCommandError::OtherRange(Box::new(begun)));
    }
    let reached = Mutex::new(ReplayState::default());
    let outcome = replayer.run(&args.handler, (args.from, args.to), cancel, |state| {
        *reached.lock().unwrap_or_else(PoisonError::into_inner) = state;
        progress.update(&state);
    });
    let outcome = outcome.await;
    progress.finish();
    let interruption = match outcome {
        Ok(_) => None,
        Err(error @ ReplayError::Interrupted(_)) => Some(error),
        Err(error) => return Err(error.into()),
    };
    let state = *reached.lock().unwrap_or_else(PoisonError::into_inner);
    match write(output, args, &state, interruption.as_ref()) {
        // The reader has what it wanted; what was done is done.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(interruption.is_none())
}

fn write(
    output: &mut dyn Write,
    args: &ReplayArgs,
    state: &ReplayState,
    interruption: Option<&ReplayError>,
) -> io::Result<()> {
    let (ReplayState { cleared, read, given, .. }, handler) = (state, &args.handler);
    match args.output {
        OutputFormat::Text => {
            writeln!(output, "{handler}: {cleared} rows removed, {read} events read, {given} of them replayed")?;
            if let Some(interruption) = interruption {
                writeln!(output, "Interrupted: {interruption}")?;
            }
        }
        OutputFormat::Json => {
            let status = if interruption.is_some() { "interrupted" } else { "completed" };
            let document = json!({
                "handler": handler, "status": status, "removed": cleared, "read": read, "replayed": given,
            });
            writeln!(output, "{document}")?;
        }
    }
    output.flush()
}

/// The arguments that choose the events of a replay.
fn range(replay: &Replay) -> String {
    let argument = |name: &str, at: Option<Timestamp>| at.map_or_else(String::new, |at| format!(" --{name} {at}"));
    argument("from", replay.from) + &argument("to", replay.to)
}
