use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use activelog_application::{bridge::BridgeProgress, ports::EventSubscriber};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::watch;

use crate::cli::one_line;

/// How often a terminal is told how far it is, and a file.
const AT_A_TERMINAL: Duration = Duration::from_secs(1);
const ELSEWHERE: Duration = Duration::from_secs(10);

/// Tells on standard error how far a bridge is: a line that changes at a terminal, a line now and then elsewhere.
pub struct BridgeReporter {
    bar: Option<ProgressBar>,
}

impl BridgeReporter {
    /// For a command at a terminal, if there is one.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            // A template that does not parse leaves the default style: a spinner nonetheless.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { bar }
    }

    /// Tells, again and again, until it is dropped.
    pub(super) async fn report(
        &self,
        progress: &watch::Receiver<BridgeProgress>,
        source: &dyn EventSubscriber,
        group: &str,
    ) {
        let mut told = None;
        loop {
            tokio::time::sleep(if self.bar.is_some() { AT_A_TERMINAL } else { ELSEWHERE }).await;
            let lag = source.lag(group).await.ok().flatten().map(|lag| lag.events);
            let line = line(&progress.borrow(), lag);
            match &self.bar {
                Some(bar) => bar.set_message(line),
                None if told.as_ref() != Some(&line) => {
                    // With standard error gone there is nobody left to tell.
                    let _ = writeln!(std::io::stderr().lock(), "{line}");
                    told = Some(line);
                }
                None => {}
            }
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Default for BridgeReporter {
    fn default() -> Self {
        Self::new()
    }
}

fn line(progress: &BridgeProgress, lag: Option<u64>) -> String {
    let BridgeProgress { copied, refused, waiting } = progress;
    let mut line = format!("{copied} copied");
    if *refused > 0 {
        line += &format!(", {refused} refused and kept");
    }
    line += &lag.map_or_else(|| ", lag unknown".to_owned(), |lag| format!(", lag {lag}"));
    if let Some(reason) = waiting {
        line += &format!("; waiting: {}", one_line(reason));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_there_is_to_say() {
        let copied = BridgeProgress { copied: 7, ..BridgeProgress::default() };
        assert_eq!(line(&copied, Some(3)), "7 copied, lag 3");
        let waiting = BridgeProgress { refused: 1, waiting: Some("target:\naway".to_owned()), ..copied };
        assert_eq!(line(&waiting, None), "7 copied, 1 refused and kept, lag unknown; waiting: target:\\naway");
    }
}
