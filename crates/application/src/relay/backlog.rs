use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use crate::ports::OutboxEntry;

/// The pauses between attempts to publish an event that the broker does not take.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The longest pause while the broker is away, which costs it nothing: once it is back events are to flow within five seconds.
const LONGEST_AWAY: Duration = Duration::from_secs(2);

/// What of a partition waits for another attempt: per key whose event the broker refuses, and the whole partition while the broker is
/// away. Lives in memory: a new owner tries at once, which is right.
#[derive(Debug, Default)]
pub(super) struct Failing {
    keys: HashMap<String, Attempt>,
    partition: Option<Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Attempt {
    failures: u32,
    again_at: Instant,
}

impl Attempt {
    /// After one more failure: a pause that doubles up to `longest`, with jitter, and lasts at least `at_least`.
    fn after(before: Option<Self>, longest: Duration, at_least: Option<Duration>, now: Instant) -> Self {
        let failures = before.map_or(0, |attempt| attempt.failures).saturating_add(1);
        let doubled = FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(16)).min(longest);
        let jittered = doubled.mul_f64(0.5 + fastrand::f64() / 2.0);
        Self { failures, again_at: now + jittered.max(at_least.unwrap_or_default()) }
    }
}

impl Failing {
    /// Whether the key's pause is not over.
    fn paused(&self, key: &str, now: Instant) -> bool {
        self.keys.get(key).is_some_and(|a| a.again_at > now)
    }

    /// Whether the partition is paused because the broker is away.
    pub(super) fn is_away(&self, now: Instant) -> bool {
        self.partition.is_some_and(|a| a.again_at > now)
    }

    /// The broker is away: pauses the partition. Answers how often in a row it was.
    pub(super) fn away(&mut self, at_least: Option<Duration>, now: Instant) -> u32 {
        let attempt = Attempt::after(self.partition, LONGEST_AWAY, at_least, now);
        self.partition = Some(attempt);
        attempt.failures
    }

    /// The broker answers.
    pub(super) fn back(&mut self) {
        self.partition = None;
    }

    /// The key's event failed: pauses it, at least for `at_least`. Answers how often it has failed.
    pub(super) fn failed(&mut self, key: &str, at_least: Option<Duration>, now: Instant) -> u32 {
        let attempt = Attempt::after(self.keys.get(key).copied(), LONGEST_PAUSE, at_least, now);
        self.keys.insert(key.to_owned(), attempt);
        attempt.failures
    }

    /// The key's event was taken.
    pub(super) fn succeeded(&mut self, key: &str) {
        self.keys.remove(key);
    }

    /// When the first pause is over, if any is on.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.keys.values().chain(&self.partition).map(|a| a.again_at).min()
    }
}

/// Divides a page of pending events into waves: each holds the first event, then the second, and so on, of every key that is not
/// paused. Order within a key is order of waves.
pub(super) fn waves(page: Vec<OutboxEntry>, failing: &Failing, now: Instant) -> Vec<Vec<OutboxEntry>> {
    let mut waves: Vec<Vec<OutboxEntry>> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for entry in page {
        if failing.paused(&entry.event.partition_key, now) {
            continue;
        }
        let depth = seen.entry(entry.event.partition_key.clone()).or_insert(0);
        if *depth == waves.len() {
            waves.push(Vec::new());
        }
        waves[*depth].push(entry);
        *depth += 1;
    }
    waves
}

/// Leaves out of a wave what must wait for an event that has just failed.
pub(super) fn without(wave: Vec<OutboxEntry>, failed: &HashSet<String>) -> Vec<OutboxEntry> {
    if failed.is_empty() {
        return wave;
    }
    wave.into_iter().filter(|entry| !failed.contains(&entry.event.partition_key)).collect()
}

#[cfg(test)]
mod tests {
    use activelog_domain::event::{EventEnvelope, JSON};
    use jiff::Timestamp;
    use uuid::Uuid;

    use super::*;

    fn entry(id: i64, key: &str) -> OutboxEntry {
        let event = EventEnvelope {
            id: Uuid::from_u128(id.unsigned_abs().into()),
            source: "/test".into(),
            name: "thing.done".into(),
            subject: key.into(),
            time: Timestamp::UNIX_EPOCH,
            content_type: JSON.into(),
            version: 1,
            partition_key: key.into(),
            sequence: id.unsigned_abs(),
            correlation_id: Uuid::nil(),
            causation_id: None,
            trace: None,
            data: bytes::Bytes::from_static(b"{}"),
        };
        OutboxEntry { id, event }
    }

    fn ids(waves: &[Vec<OutboxEntry>]) -> Vec<Vec<i64>> {
        waves.iter().map(|wave| wave.iter().map(|e| e.id).collect()).collect()
    }

    #[test]
    fn a_wave_holds_one_event_per_key() {
        let page = vec![entry(1, "a"), entry(2, "b"), entry(3, "a"), entry(4, "a"), entry(5, "c")];
        let waves = waves(page, &Failing::default(), Instant::now());
        assert_eq!(ids(&waves), [vec![1, 2, 5], vec![3], vec![4]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_key_waits_and_the_others_do_not() {
        let mut failing = Failing::default();
        let now = Instant::now();
        assert_eq!(failing.failed("a", None, now), 1);
        assert_eq!(failing.failed("a", Some(Duration::from_secs(60)), now), 2);
        let page = || vec![entry(1, "a"), entry(2, "b"), entry(3, "a")];
        assert_eq!(ids(&waves(page(), &failing, now)), [vec![2]]);
        let later = now + Duration::from_secs(60);
        assert_eq!(failing.next_attempt(), Some(later));
        assert_eq!(ids(&waves(page(), &failing, later)), [vec![1, 2], vec![3]]);
        failing.succeeded("a");
        assert_eq!(failing.next_attempt(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn however_long_the_broker_was_away_it_is_tried_soon() {
        let (mut failing, now) = (Failing::default(), Instant::now());
        for failures in 1..100 {
            assert_eq!(failing.away(None, now), failures);
        }
        assert!(failing.next_attempt().is_some_and(|at| at <= now + LONGEST_AWAY));
        assert!(failing.away(Some(Duration::from_secs(60)), now) == 100 && failing.is_away(now + LONGEST_AWAY));
        failing.back();
        assert_eq!(failing.next_attempt(), None);
    }

    #[test]
    fn what_follows_a_failed_event_is_left_out() {
        let wave = vec![entry(3, "a"), entry(4, "b")];
        let rest = without(wave, &HashSet::from(["a".to_owned()]));
        assert_eq!(ids(&[rest]), [vec![4]]);
    }
}
