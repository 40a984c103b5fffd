use std::time::Duration;

use tokio::sync::watch;

/// An in-process hint that there may be new work. Never the only way to learn of it: other processes cannot ring it, so
/// whoever waits also polls.
#[derive(Debug, Clone, Default)]
pub struct Signal(watch::Sender<()>);

impl Signal {
    /// A signal nobody has rung.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes every listener. Never blocks.
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    /// A listener that hears every ring from now on; rings while it is busy are remembered as one.
    pub fn listen(&self) -> SignalListener {
        SignalListener(self.0.subscribe())
    }
}

/// Hears a [`Signal`].
#[derive(Debug, Clone)]
pub struct SignalListener(watch::Receiver<()>);

impl SignalListener {
    /// Returns when the signal has rung since the last wait, or after `poll`, whichever is first. Cancel-safe.
    pub async fn wait(&mut self, poll: Duration) {
        match tokio::time::timeout(poll, self.0.changed()).await {
            // Rung, or time to look anyway.
            Ok(Ok(())) | Err(_) => {}
            // Nobody is left to ring: only the poll remains.
            Ok(Err(_)) => tokio::time::sleep(poll).await,
        }
    }
}
