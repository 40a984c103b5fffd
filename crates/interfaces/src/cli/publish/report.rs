use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use uuid::Uuid;

use super::batch::Outcome;
use crate::cli::{OutputFormat, one_line};

/// Shows how many events were published. On standard error, and only if that is a terminal that does not show the outcomes themselves.
pub struct PublishProgress(ProgressBar);

impl PublishProgress {
    /// For a command at a terminal, if there is one.
    pub fn new() -> Self {
        if !io::stderr().is_terminal() || io::stdout().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::new_spinner();
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // A template that does not parse leaves the default style: a spinner nonetheless.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} published  {per_sec}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(super) fn published(&self, events: u64) {
        self.0.inc(events);
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Default for PublishProgress {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes what became of the event on a line.
pub(super) fn tell(
    output: &mut dyn Write,
    format: OutputFormat,
    line: u64,
    id: Option<Uuid>,
    outcome: &Result<(), String>,
) -> io::Result<()> {
    match (format, outcome) {
        (OutputFormat::Text, Ok(())) => writeln!(output, "line {line}: accepted {}", id.unwrap_or_default()),
        (OutputFormat::Text, Err(reason)) => writeln!(output, "line {line}: {}", one_line(reason)),
        (OutputFormat::Json, Ok(())) => {
            writeln!(output, "{}", json!({ "line": line, "outcome": "accepted", "id": id }))
        }
        (OutputFormat::Json, Err(reason)) => {
            writeln!(output, "{}", json!({ "line": line, "outcome": "refused", "id": id, "reason": reason }))
        }
    }
}

/// What an outcome is to whoever reads of it.
pub(super) fn told(outcome: &Outcome) -> Result<(), String> {
    match outcome {
        Outcome::Accepted => Ok(()),
        Outcome::Refused(error) => Err(format!("refused by the broker: {error}")),
        Outcome::NotSent(reason) => Err(format!("not accepted: {reason}")),
    }
}
