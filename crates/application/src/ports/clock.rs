use jiff::Timestamp;

/// Tells the time of day. Injected, so that tests decide it; durations are measured with `tokio::time::Instant`, which
/// tests can pause.
pub trait Clock: Send + Sync + 'static {
    /// The present, to the microsecond at most: what is stored is what was told.
    fn now(&self) -> Timestamp;
}
