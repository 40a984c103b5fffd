use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Tells every part of the process when to stop.
///
/// The first signal (Ctrl-C, SIGTERM) asks to stop: intake ends, what has begun is finished. The second, or the end of the grace period,
/// stops at once; whatever was accepted is on disk, so nothing is lost by it.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Take nothing new; finish what has begun.
    pub stop: CancellationToken,
    /// Stop now.
    pub hard_stop: CancellationToken,
}

/// How long a stop may take in all.
const GRACE: Duration = Duration::from_millis(9_500);

impl Lifecycle {
    /// Listens to signals from now on, and logs the first one.
    pub fn on_signals() -> std::io::Result<Self> {
        Self::listen(true)
    }

    /// The same for commands at a terminal, where Ctrl-C is a usual end and the output tells what became of it: the first signal is
    /// logged for debugging alone.
    pub fn on_signals_quietly() -> std::io::Result<Self> {
        Self::listen(false)
    }

    fn listen(told: bool) -> std::io::Result<Self> {
        let lifecycle = Self::default();
        let signals = Signals::new()?;
        tokio::spawn(lifecycle.clone().obey(signals, told));
        Ok(lifecycle)
    }

    /// Waits until all these parts of the process have ended. One that ends without being told to takes the others with it.
    ///
    /// # Errors
    /// The first of theirs.
    pub(super) async fn finish(&self, mut parts: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = parts.join_next().await {
            self.stop.cancel();
            outcome = outcome.and(ended.context("a part of the process panicked").and_then(|part| part));
        }
        outcome
    }

    async fn obey(self, mut signals: Signals, told: bool) {
        const STOPPING: &str = "stopping: finishing what has begun; a second signal stops at once";
        tokio::select! {
            name = signals.next() => {
                if told { tracing::info!(signal = name, "{STOPPING}") } else { tracing::debug!(signal = name, "{STOPPING}") }
            }
            // A part that cannot go on asks the others to stop as well.
            () = self.stop.cancelled() => {}
        }
        self.stop.cancel();
        tokio::select! {
            name = signals.next() => tracing::warn!(signal = name, "stopping at once"),
            () = tokio::time::sleep(GRACE) => tracing::warn!(grace = ?GRACE, "not everything finished in time; stopping now"),
        }
        self.hard_stop.cancel();
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        // Without a console to send it, Ctrl-C never comes.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
