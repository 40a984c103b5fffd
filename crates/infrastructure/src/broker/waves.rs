use std::collections::HashSet;

use activelog_application::ports::{PublishError, PublishErrorKind};
use activelog_domain::event::EventEnvelope;

/// What became of an event.
pub(super) type Outcome = Result<(), PublishError>;

/// Events to be published in waves: everything in a wave is under way at once. An event that a broker refuses, or whose answer is lost, never comes behind a later one
/// of its key that it took: later ones of that key are skipped.
pub(super) struct Waves<'a> {
    events: &'a [EventEnvelope],
    most: usize,
    outcomes: Vec<Option<Outcome>>,
    failed: HashSet<&'a str>,
    left: Vec<usize>,
    wave: Vec<usize>,
    /// Whether a wave may hold several events of a key.
    whole: bool,
}

impl<'a> Waves<'a> {
    /// Waves of at most `most` events with at most one event of each key, for a broker that may refuse one and take the next.
    pub(super) fn of_distinct_keys(
        events: &'a [EventEnvelope],
        most: usize,
        refuse: impl Fn(&EventEnvelope) -> Option<PublishError>,
    ) -> Self {
        Self { whole: false, ..Self::of_whole(events, most, refuse) }
    }

    /// Waves of at most `most` events, for a broker that takes the events of a wave in order, and all or none of them. `refuse` says what is not to be sent at all, and why.
    pub(super) fn of_whole(
        events: &'a [EventEnvelope],
        most: usize,
        refuse: impl Fn(&EventEnvelope) -> Option<PublishError>,
    ) -> Self {
        let (mut outcomes, mut failed, mut left) = (Vec::with_capacity(events.len()), HashSet::new(), Vec::new());
        for (index, event) in events.iter().enumerate() {
            let key = event.partition_key.as_str();
            let refused = if failed.contains(key) { Some(skipped()) } else { refuse(event) };
            match refused {
                Some(_) => drop(failed.insert(key)),
                None => left.push(index),
            }
            outcomes.push(refused.map(Err));
        }
        // What was refused stands in the way of those behind it only.
        Self { events, most, outcomes, failed: HashSet::new(), left, wave: Vec::new(), whole: true }
    }

    /// The next events to send, all at once. Settle them before asking again.
    pub(super) fn next(&mut self) -> Option<Vec<&'a EventEnvelope>> {
        let (mut later, mut keys) = (Vec::new(), HashSet::new());
        for index in std::mem::take(&mut self.left) {
            let key = self.events[index].partition_key.as_str();
            if self.failed.contains(key) {
                self.outcomes[index] = Some(Err(skipped()));
            } else if self.wave.len() == self.most || (!keys.insert(key) && !self.whole) {
                // Those of its key behind it stay behind it.
                keys.insert(key);
                later.push(index);
            } else {
                self.wave.push(index);
            }
        }
        self.left = later;
        (!self.wave.is_empty()).then(|| self.wave.iter().map(|index| &self.events[*index]).collect())
    }

    /// What became of the events of the wave, in their order.
    pub(super) fn settle(&mut self, outcomes: Vec<Outcome>) {
        let outcomes = outcomes.into_iter().chain(std::iter::repeat_with(|| Err(unanswered())));
        for (index, outcome) in std::mem::take(&mut self.wave).into_iter().zip(outcomes) {
            if outcome.is_err() {
                self.failed.insert(self.events[index].partition_key.as_str());
            }
            self.outcomes[index] = Some(outcome);
        }
    }

    /// What became of each event.
    pub(super) fn outcomes(self) -> Vec<Outcome> {
        self.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(unanswered()))).collect()
    }
}

/// Refuses an event whose data is larger than the broker takes.
pub(super) fn too_large(event: &EventEnvelope, most: usize) -> Option<PublishError> {
    let size = event.data.len();
    let reason = || format!("{size} bytes of data, at most {most} are accepted");
    (size > most).then(|| PublishError::new(PublishErrorKind::TooLarge, reason()))
}

/// The publisher has been closed.
pub(super) fn closed() -> PublishError {
    PublishError::new(PublishErrorKind::Closed, "the publisher is closed")
}

fn skipped() -> PublishError {
    PublishError::new(PublishErrorKind::Skipped, "an earlier event of its key in the batch failed")
}

/// The broker's answer for an event is missing.
pub(super) fn unanswered() -> PublishError {
    PublishError::new(PublishErrorKind::Unknown, "the broker has not answered for it")
}

#[cfg(test)]
mod tests {
    use activelog_application::testing::broker::event;

    use super::*;

    #[test]
    fn a_wave_has_one_event_of_a_key_and_what_follows_a_failure_is_skipped() {
        let keys = [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("c", 1), ("b", 2), ("c", 2), ("d", 1)];
        let events = keys.map(|(key, n)| event("thing.done", key, n));
        let mut waves = Waves::of_distinct_keys(&events, 2, |event| (event.partition_key == "c").then(closed));
        let mut sent = Vec::new();
        while let Some(wave) = waves.next() {
            sent.push(wave.iter().map(|e| format!("{}{}", e.partition_key, e.sequence)).collect::<Vec<_>>().join(" "));
            let refused = |e: &&EventEnvelope| if e.partition_key == "b" { Err(closed()) } else { Ok(()) };
            waves.settle(wave.iter().map(refused).collect());
        }
        assert_eq!(sent, ["a1 b1", "a2 d1", "a3"]);
        let kinds: Vec<_> = waves.outcomes().iter().map(|o| o.as_ref().err().map(|e| e.kind)).collect();
        let (closed, skipped) = (Some(PublishErrorKind::Closed), Some(PublishErrorKind::Skipped));
        assert_eq!(kinds, [None, closed, None, None, closed, skipped, skipped, None]);
    }
}
