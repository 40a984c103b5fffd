use std::time::Duration;

/// How a bridge works.
#[derive(Debug, Clone, Copy)]
pub struct BridgeOptions {
    /// Whether it ends when the source has nothing more for it.
    pub until_drained: bool,
    /// The pause before an event that the target did not take is tried again, at first and at most. It doubles.
    pub first_pause: Duration,
    /// The most of it.
    pub longest_pause: Duration,
    /// How often it looks whether the source is drained.
    pub look: Duration,
    /// How long nothing has to come from a source that cannot tell how far its groups are, to count as drained.
    pub quiet: Duration,
}

impl Default for BridgeOptions {
    fn default() -> Self {
        Self {
            until_drained: false,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            look: Duration::from_millis(250),
            quiet: Duration::from_secs(5),
        }
    }
}
