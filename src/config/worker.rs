use std::{collections::BTreeMap, time::Duration};

use activelog_application::{delivery::FailurePolicy, ports::AfterDeadLetter};

use super::{
    ByteSize,
    reader::{Reader, Section},
};

/// `[worker]`: from the broker to the handlers.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The consumer group that workers share events in.
    pub group: String,
    /// What the group knows this process by, with Kafka; nobody else's name.
    pub instance: Option<String>,
    /// The most events handled at once.
    pub concurrency: u32,
    /// The most events taken from the broker and not yet settled.
    pub prefetch: u32,
    /// The most memory that events under way may take.
    pub memory: ByteSize,
    /// How long work that has begun may go on after a stop.
    pub drain: Duration,
    /// What happens when a handler fails.
    pub policy: FailurePolicy,
    /// `[handlers.*]`: the same for some of them, by name.
    pub policies: BTreeMap<&'static str, FailurePolicy>,
}

impl WorkerConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut section = reader.section("worker");
        let mut config = Self {
            group: section.get_if("group", "activelog".to_owned(), group_name),
            instance: section.get_if("instance", None, |name| name.as_ref().map_or(Ok(()), group_name)),
            concurrency: section.number("concurrency", 64, 1, 10_000),
            prefetch: section.number("prefetch", 1_024, 1, 100_000),
            memory: section.get_if("memory", ByteSize::mib(32), |size| {
                if *size >= ByteSize::mib(1) { Ok(()) } else { Err("must be at least 1MiB".to_owned()) }
            }),
            drain: section.duration("drain", Duration::from_secs(8), 0, 3_600_000),
            policy: policy(&mut section, FailurePolicy::default()),
            policies: BTreeMap::new(),
        };
        for (name, handler) in HANDLERS {
            if reader.has(name) {
                let own = policy(&mut reader.section(name), config.policy);
                config.policies.insert(handler, own);
            }
        }
        config
    }

    /// The longest time between two attempts of any handler.
    pub(super) fn longest_backoff(&self) -> Duration {
        self.policies.values().map(|policy| policy.longest_backoff).fold(self.policy.longest_backoff, Duration::max)
    }
}

/// The sections of handlers, and the handlers' names. A name with hyphens could not be set in an environment. What webhooks' deliveries do is their
/// own ([`WebhooksConfig`](super::WebhooksConfig)).
pub(crate) const HANDLERS: [(&str, &str); 4] = [
    ("handlers.period_statistics", "period-statistics"),
    ("handlers.achievements", "achievements"),
    ("handlers.leaderboard", "leaderboard"),
    ("handlers.webhooks", "webhooks"),
];

/// The keys of a policy; `default` where nobody set them.
fn policy(section: &mut Section<'_>, default: FailurePolicy) -> FailurePolicy {
    let policy = FailurePolicy {
        time_limit: section.duration("handler_timeout", default.time_limit, 1, 3_600_000),
        quick_attempts: section.number("quick_attempts", default.quick_attempts, 1, 100),
        quick_pause: section.duration("quick_pause", default.quick_pause, 1, 60_000),
        attempts: section.number("attempts", default.attempts, 1, 1_000_000),
        first_backoff: section.duration("first_backoff", default.first_backoff, 1, 86_400_000),
        longest_backoff: section.duration("longest_backoff", default.longest_backoff, 1, 7 * 86_400_000),
        crashes: section.number("crashes", default.crashes, 1, 100),
        after_dead_letter: section.choice(
            "after_dead_letter",
            default.after_dead_letter,
            &[("hold", AfterDeadLetter::Hold), ("continue", AfterDeadLetter::Continue)],
        ),
    };
    if policy.longest_backoff < policy.first_backoff {
        section.refuse("longest_backoff", "must not be shorter than first_backoff");
    }
    if policy.attempts < policy.quick_attempts {
        section.refuse("attempts", "must not be less than quick_attempts");
    }
    policy
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
