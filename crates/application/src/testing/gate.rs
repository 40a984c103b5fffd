use tokio::sync::watch;

/// A place where work waits until a test lets it go on, and where the test learns that work has come: order without sleeping.
#[derive(Debug)]
pub struct Gate {
    arrived: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: watch::Sender::new(0), open: watch::Sender::new(false) }
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that somebody has come and waits until the gate is open. Cancel-safe.
    pub async fn pass(&self) {
        self.arrived.send_modify(|n| *n += 1);
        // The sender lives in `self`, so waiting cannot fail.
        let _open = self.open.subscribe().wait_for(|open| *open).await.is_ok();
    }

    /// Waits until `count` have come in all.
    pub async fn arrived(&self, count: usize) {
        let _arrived = self.arrived.subscribe().wait_for(|n| *n >= count).await.is_ok();
    }

    /// How many have come so far.
    pub fn arrivals(&self) -> usize {
        *self.arrived.borrow()
    }

    /// Lets through everybody, from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }
}
