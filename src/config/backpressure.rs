use std::time::Duration;

use super::{ByteSize, reader::Reader};

/// `[backpressure]`: beyond which bounds writes are answered 503. A pressure ends at 80 % of its bound.
#[derive(Debug, Clone)]
pub struct BackpressureConfig {
    /// The most events that may wait in the outbox.
    pub max_outbox_events: u32,
    /// How long events may wait in the outbox; the oldest 100 may wait longer.
    pub max_outbox_age: Duration,
    /// How many events the workers' group may be behind the journal, with a broker that delivers from it.
    pub max_group_lag: u32,
    /// SQLite: how much room the disk must have.
    pub min_free_disk: ByteSize,
    /// How often it is looked.
    pub poll_interval: Duration,
}

impl BackpressureConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("backpressure");
        Self {
            max_outbox_events: section.number("max_outbox_events", 100_000, 1, 100_000_000),
            max_outbox_age: section.duration("max_outbox_age", Duration::from_secs(600), 1_000, 31_536_000_000),
            max_group_lag: section.number("max_group_lag", 1_000_000, 1, u32::MAX),
            min_free_disk: section.get("min_free_disk", ByteSize::mib(8)),
            poll_interval: section.duration("poll_interval", Duration::from_millis(250), 10, 60_000),
        }
    }
}
