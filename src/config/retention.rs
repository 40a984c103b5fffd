use std::time::Duration;

use super::{reader::Reader, retention_age::RetentionAge, setting::Setting};

/// `[retention]`: how long what has been dealt with is kept. Each may be `"off"`: then it is kept for ever.
#[derive(Debug, Clone)]
pub struct RetentionConfig {
    /// How often it is looked for what can go.
    pub interval: Duration,
    /// The most rows that go in one transaction.
    pub batch: u32,
    /// The pause between two such transactions.
    pub pause: Duration,
    /// For how long an event that comes again is known to have been taken.
    pub inbox: RetentionAge,
    /// How long published events are kept.
    pub journal: RetentionAge,
    /// The most published events that are kept. `None`: any number.
    pub journal_events: Option<u32>,
    /// For how long a request with the same idempotency key gets the same answer.
    pub idempotency_keys: RetentionAge,
    /// How long dead letters are kept that were replayed or discarded: as long as the journal at least, so that a replay knows them.
    pub dead_letters: RetentionAge,
    /// How long traces of processes that ended without a word are kept: crash marks and worker runs.
    pub crash_marks: RetentionAge,
}

const DAY: Duration = Duration::from_secs(86_400);

/// How long after its publication an event may come again: a broker keeps it for a group that was away, and a worker, or a relay that
/// could not finish, brings it back. An inbox that forgets earlier would let it take effect twice.
const REDELIVERY_HORIZON: Duration = DAY;

impl RetentionConfig {
    pub(super) fn read(reader: &mut Reader, max_outbox_age: Duration, longest_backoff: Duration) -> Self {
        let mut section = reader.section("retention");
        let journal = section.get_if("journal", RetentionAge::days(90), |age| age.at_least(Duration::from_secs(3_600)));
        let dead_letters = section.get_if("dead_letters", journal, |age| {
            let least = journal.duration().unwrap_or(Duration::MAX);
            let why = "a replay of the journal would give a handler what was discarded";
            age.at_least(least)
                .map_err(|_| format!("must not be shorter than retention.journal ({}): {why}", journal.show()))
        });
        let config = Self {
            interval: section.duration("interval", Duration::from_secs(300), 1_000, 86_400_000),
            batch: section.number("batch", 1_000, 1, 10_000),
            pause: section.duration("pause", Duration::from_millis(50), 0, 60_000),
            inbox: section.get("inbox", RetentionAge::days(14)),
            journal,
            journal_events: section.optional_number("journal_events"),
            idempotency_keys: section
                .get_if("idempotency_keys", RetentionAge::days(2), |age| age.at_least(Duration::from_secs(60))),
            dead_letters,
            crash_marks: section.get_if("crash_marks", RetentionAge::days(30), |age| age.at_least(DAY)),
        };
        let horizon = REDELIVERY_HORIZON.max(max_outbox_age.saturating_mul(2)).max(longest_backoff.saturating_mul(2));
        if let Err(rule) = config.inbox.at_least(horizon) {
            section
                .refuse("inbox", &format!("{rule}: an event may come again until then, and would take effect twice"));
        }
        config
    }
}
