use std::time::Duration;

use super::{ByteSize, reader::Reader};

/// `[worker]`: from the broker to the handlers.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The consumer group that workers share events in.
    pub group: String,
    /// The most events handled at once.
    pub concurrency: u32,
    /// The most events taken from the broker and not yet settled.
    pub prefetch: u32,
    /// The most memory that events under way may take.
    pub memory: ByteSize,
    /// How long work that has begun may go on after a stop.
    pub drain: Duration,
    /// How long a handler may take for one event.
    pub handler_timeout: Duration,
    /// How many attempts are quick, the first one included.
    pub quick_attempts: u32,
    /// The pause after the first attempt; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause between attempts.
    pub longest_pause: Duration,
}

impl WorkerConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("worker");
        let config = Self {
            group: section.get_if("group", "activelog".to_owned(), group_name),
            concurrency: section.number("concurrency", 64, 1, 10_000),
            prefetch: section.number("prefetch", 1_024, 1, 100_000),
            memory: section.get_if("memory", ByteSize::mib(32), |size| {
                if *size >= ByteSize::mib(1) { Ok(()) } else { Err("must be at least 1MiB".to_owned()) }
            }),
            drain: section.duration("drain", Duration::from_secs(8), 0, 3_600_000),
            handler_timeout: section.duration("handler_timeout", Duration::from_secs(60), 1, 3_600_000),
            quick_attempts: section.number("quick_attempts", 5, 1, 100),
            first_pause: section.duration("first_pause", Duration::from_millis(20), 1, 60_000),
            longest_pause: section.duration("longest_pause", Duration::from_secs(30), 1, 86_400_000),
        };
        if config.longest_pause < config.first_pause {
            section.refuse("longest_pause", "must not be shorter than worker.first_pause");
        }
        config
    }
}

/// The rule that brokers have for the names of groups.
#[expect(clippy::ptr_arg, reason = "the rule of a key takes the key's type")]
fn group_name(name: &String) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b);
    if (1..=100).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err("must be 1 to 100 of a-z, 0-9, _, - and .".to_owned())
    }
}
