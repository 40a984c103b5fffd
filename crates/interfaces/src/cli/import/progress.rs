use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{ImportReport, SourceFile};

/// Shows how far an import has come, by the bytes of its file. On standard error, and only if that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    position: Arc<AtomicU64>,
}

impl Progress {
    /// For the import of `file`.
    pub fn new(file: &SourceFile) -> Self {
        let bar = if std::io::stderr().is_terminal() { Self::bar(file.size) } else { ProgressBar::hidden() };
        Self { bar, position: file.position.clone() }
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden(), position: Arc::default() }
    }

    fn bar(size: u64) -> ProgressBar {
        let (bar, template) = match size {
            0 => (ProgressBar::new_spinner(), "{spinner} {bytes}  {msg}"),
            size => (ProgressBar::new(size), "{bar:30} {percent:>3}%  {msg}  {eta} left"),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        // A template that does not parse leaves the default style: a bar nonetheless.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    pub(super) fn update(&self, report: &ImportReport) {
        if !self.bar.is_hidden() {
            self.bar.set_position(self.position.load(Ordering::Relaxed));
            let ImportReport { imported, skipped, refused, .. } = report;
            self.bar.set_message(format!("{imported} imported, {skipped} skipped, {refused} refused"));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
