use std::{io::IsTerminal, time::Duration};

use activelog_application::delivery::ReplayState;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how far a replay has come. On standard error, and only if that is a terminal.
pub struct ReplayProgress(ProgressBar);

impl ReplayProgress {
    /// For a command at a terminal, if there is one.
    pub fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::hidden();
        }
        let bar = ProgressBar::new(0);
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // A template that does not parse leaves the default style: a bar nonetheless.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3}%  {pos} of {len}  {msg}  {eta} left") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(super) fn update(&self, state: &ReplayState) {
        self.0.set_length(state.of.max(state.read));
        self.0.set_position(state.read);
        self.0.set_message(match state.read {
            0 => format!("removing the old: {} rows", state.cleared),
            _ => format!("{} replayed", state.given),
        });
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

impl Default for ReplayProgress {
    fn default() -> Self {
        Self::new()
    }
}
