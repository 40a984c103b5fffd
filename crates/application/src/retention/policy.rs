use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// How long things are kept. `None`: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// Records of events that handlers have taken. Never shorter than an event may come again after it was taken.
    pub inbox: Option<Duration>,
    /// Published events.
    pub journal: Option<Duration>,
    /// The most published events that are kept.
    pub journal_events: Option<u64>,
    /// Answers of requests with an idempotency key.
    pub idempotency_keys: Option<Duration>,
    /// Dead letters that were replayed or discarded.
    pub dead_letters: Option<Duration>,
    /// Crash marks and worker runs.
    pub crash_marks: Option<Duration>,
}

impl Default for RetentionPolicy {
    fn default() -> Self {
        Self {
            inbox: Some(DAY * 14),
            journal: Some(DAY * 90),
            journal_events: None,
            idempotency_keys: Some(DAY * 2),
            dead_letters: Some(DAY * 90),
            crash_marks: Some(DAY * 30),
        }
    }
}

/// How many rows a sweep has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Of the inbox.
    pub inbox: u64,
    /// Of the journal.
    pub journal: u64,
    /// Idempotency keys.
    pub idempotency_keys: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Crash marks.
    pub crash_marks: u64,
    /// Worker runs.
    pub worker_runs: u64,
}

impl Swept {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.inbox + self.journal + self.idempotency_keys + self.dead_letters + self.crash_marks + self.worker_runs
    }
}
