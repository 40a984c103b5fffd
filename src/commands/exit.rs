use std::{error::Error, fmt, io::Write, process::ExitCode};

use crate::config::ConfigError;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// It did what it was asked: 0.
    Done,
    /// It failed: 1.
    Failed,
    /// It was used wrongly, or the configuration is wrong; nothing was begun: 2.
    Usage,
    /// It finished, but some of what it was given was refused, such as rows of an import: 3.
    SomeRefused,
    /// It was interrupted; what was done is kept: 130, as shells have it.
    Interrupted,
}

impl ExitStatus {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SomeRefused => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// A command failed: what happened, what to do about it, and the exit code that says so.
#[derive(Debug)]
pub struct CommandError {
    message: String,
    hint: Option<String>,
    status: ExitStatus,
}

impl CommandError {
    /// A failure, told with what caused it.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { message: chain(error.into().as_ref()), hint: None, status: ExitStatus::Failed }
    }

    /// Wrong use or configuration.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { status: ExitStatus::Usage, ..Self::failed(error) }
    }

    /// Stopped before its end; what was done is kept.
    pub fn interrupted(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { status: ExitStatus::Interrupted, ..Self::failed(error) }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How the process ends.
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Tells it on standard error.
    pub fn report(&self) {
        // With standard error gone there is nobody left to tell.
        let _ = writeln!(std::io::stderr().lock(), "{self}");
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

impl Error for CommandError {}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint();
        Self::usage(error).hint(hint)
    }
}

/// The message with those of its causes, leaving out a cause that the message before it already holds.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}

/// How a command ends that only had to write: a reader that went away (`| head`) has what it wanted.
pub(crate) fn written(result: std::io::Result<()>) -> Result<ExitStatus, CommandError> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::failed(format!("cannot write: {error}")))
        }
        _ => Ok(ExitStatus::Done),
    }
}
