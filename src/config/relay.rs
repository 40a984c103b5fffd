use std::time::Duration;

use super::reader::Reader;

/// `[relay]`: from the outbox to the broker.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// The most events in one go.
    pub batch: u32,
    /// How often it looks for events without being woken.
    pub poll_interval: Duration,
    /// How long its leases last without being renewed.
    pub lease_ttl: Duration,
}

impl RelayConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("relay");
        Self {
            batch: section.number("batch", 500, 1, 1_000),
            poll_interval: section.duration("poll_interval", Duration::from_millis(200), 1, 60_000),
            lease_ttl: section.duration("lease_ttl", Duration::from_secs(4), 500, 600_000),
        }
    }
}
