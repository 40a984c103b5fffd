use std::io;

use activelog_application::failures::{FailedEvents, Remedy};
use activelog_interfaces::cli::{
    ListDeadLettersArgs, RemedyArgs, ShowDeadLetterArgs,
    dead_letters::{self, Choice, Ending, Progress, Tools},
};
use tokio_util::sync::CancellationToken;

use super::{CommandError, ExitStatus};

/// Lists dead letters. Ends early, and well, when `cancel` is set.
///
/// # Errors
/// When the arguments contradict each other, or the dead letters cannot be read or written.
pub async fn list_dead_letters(
    failed: &FailedEvents,
    args: &ListDeadLettersArgs,
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    let filter = args.filter().map_err(CommandError::usage)?;
    let mut output = io::BufWriter::new(io::stdout());
    dead_letters::list(failed, &filter, args, &mut output, &mut io::stderr(), cancel)
        .await
        .map_err(CommandError::failed)?;
    Ok(ExitStatus::Done)
}

/// Shows one dead letter.
///
/// # Errors
/// When there is none of this number, or it cannot be read or written.
pub async fn show_dead_letter(failed: &FailedEvents, args: &ShowDeadLetterArgs) -> Result<ExitStatus, CommandError> {
    let mut output = io::BufWriter::new(io::stdout());
    match dead_letters::show(failed, args, &mut output).await.map_err(CommandError::failed)? {
        true => Ok(ExitStatus::Done),
        false => Err(CommandError::failed(format!("there is no dead letter {}", args.id))
            .hint("`activelog dead-letters list` shows those that there are")),
    }
}

/// Which dead letters the arguments mean, before anything is opened.
///
/// # Errors
/// When nothing says which: wrong usage.
pub fn choose_dead_letters(args: &RemedyArgs) -> Result<Choice, CommandError> {
    Choice::of(args).map_err(CommandError::usage)
}

/// Replays or discards dead letters and says what was done. `cancel` ends it after those under way.
///
/// # Errors
/// When something failed on the way. What was done until then stays done.
pub async fn remedy_dead_letters(
    failed: &FailedEvents,
    remedy: Remedy,
    choice: &Choice,
    args: &RemedyArgs,
    cancel: &CancellationToken,
) -> Result<ExitStatus, CommandError> {
    let (mut output, progress) = (io::BufWriter::new(io::stdout()), Progress::new());
    let tools = Tools { failed, output: &mut output, progress: &progress, cancel };
    let ending = dead_letters::remedy(tools, remedy, choice, args).await.map_err(|error| {
        CommandError::failed(error).hint("what was done stays done; run the same command again to go on")
    })?;
    Ok(match ending {
        Ending::Done => ExitStatus::Done,
        Ending::SomeRefused => ExitStatus::SomeRefused,
        Ending::NoneDone => ExitStatus::Failed,
        Ending::Interrupted => ExitStatus::Interrupted,
    })
}
