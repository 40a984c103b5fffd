use std::time::Duration;

use activelog_application::{delivery::FailurePolicy, ports::AfterDeadLetter};

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
    /// How many attempts are made before an event is parked, the first one included.
    pub quick_attempts: u32,
    /// The pause after the first attempt; it doubles with each quick one.
    pub quick_pause: Duration,
    /// How many attempts are made in all before an event becomes a dead letter.
    pub attempts: u32,
    /// How long an event is parked the first time; it doubles with each attempt.
    pub first_backoff: Duration,
    /// The longest time between attempts.
    pub longest_backoff: Duration,
    /// How many times the process may end while a handler has an event before it becomes a dead letter.
    pub crashes: u32,
    /// What becomes of an aggregate's later events after a dead letter.
    pub after_dead_letter: AfterDeadLetter,
}

impl WorkerConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let policy = FailurePolicy::default();
        let mut section = reader.section("worker");
        let config = Self {
            group: section.get_if("group", "activelog".to_owned(), group_name),
            concurrency: section.number("concurrency", 64, 1, 10_000),
            prefetch: section.number("prefetch", 1_024, 1, 100_000),
            memory: section.get_if("memory", ByteSize::mib(32), |size| {
                if *size >= ByteSize::mib(1) { Ok(()) } else { Err("must be at least 1MiB".to_owned()) }
            }),
            drain: section.duration("drain", Duration::from_secs(8), 0, 3_600_000),
            handler_timeout: section.duration("handler_timeout", policy.time_limit, 1, 3_600_000),
            quick_attempts: section.number("quick_attempts", policy.quick_attempts, 1, 100),
            quick_pause: section.duration("quick_pause", policy.quick_pause, 1, 60_000),
            attempts: section.number("attempts", policy.attempts, 1, 1_000_000),
            first_backoff: section.duration("first_backoff", policy.first_backoff, 1, 86_400_000),
            longest_backoff: section.duration("longest_backoff", policy.longest_backoff, 1, 7 * 86_400_000),
            crashes: section.number("crashes", policy.crashes, 1, 100),
            after_dead_letter: section.choice(
                "after_dead_letter",
                policy.after_dead_letter,
                &[("hold", AfterDeadLetter::Hold), ("continue", AfterDeadLetter::Continue)],
            ),
        };
        if config.longest_backoff < config.first_backoff {
            section.refuse("longest_backoff", "must not be shorter than worker.first_backoff");
        }
        if config.attempts < config.quick_attempts {
            section.refuse("attempts", "must not be less than worker.quick_attempts");
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
