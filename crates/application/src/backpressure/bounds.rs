use std::time::Duration;

use super::Pressure;

/// How many of the oldest events in the outbox may be of any age: those the broker refuses, and what waits behind them.
pub const SPARED_EVENTS: u32 = 100;

/// How much there may be of everything before writes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PressureBounds {
    /// Events in the outbox.
    pub max_outbox_events: u32,
    /// How long events may wait in the outbox, but for the oldest [`SPARED_EVENTS`].
    pub max_outbox_age: Duration,
    /// How many events a consumer group may be behind the journal.
    pub max_group_lag: u64,
    /// How many bytes have to be free on the disk.
    pub min_free_disk: u64,
}

impl Default for PressureBounds {
    fn default() -> Self {
        Self {
            max_outbox_events: 100_000,
            max_outbox_age: Duration::from_secs(600),
            max_group_lag: 1_000_000,
            min_free_disk: 8 << 20,
        }
    }
}

/// What was found. `None` where it could not be looked at, or there is nothing to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Readings {
    /// Events in the outbox, and for how long they have waited.
    pub(super) outbox: Option<(u64, Duration)>,
    /// The group, and how many events it is behind.
    pub(super) lag: Option<(String, u64)>,
    /// Bytes that are free.
    pub(super) free: Option<u64>,
}

impl PressureBounds {
    /// The pressures there are after `before` and these readings. Where nothing could be read, what was stays.
    pub(super) fn judge(&self, before: &[Pressure], readings: &Readings) -> Vec<Pressure> {
        let was = |like: fn(&Pressure) -> bool| before.iter().find(|pressure| like(pressure));
        let events = was(|p| matches!(p, Pressure::OutboxEvents { .. }));
        let age = was(|p| matches!(p, Pressure::OutboxAge { .. }));
        let lag = was(|p| matches!(p, Pressure::GroupLag { .. }));
        let disk = was(|p| matches!(p, Pressure::FreeDisk { .. }));
        let next = [
            readings.outbox.map_or(events.cloned(), |(waiting, _)| {
                let bound = self.max_outbox_events;
                beyond(waiting, bound.into(), events.is_some()).then_some(Pressure::OutboxEvents { bound })
            }),
            readings.outbox.map_or(age.cloned(), |(_, waited)| {
                let bound = self.max_outbox_age;
                let over = beyond(millis(waited), millis(bound), age.is_some());
                over.then_some(Pressure::OutboxAge { age: waited, bound })
            }),
            readings.lag.as_ref().map_or(lag.cloned(), |(group, events)| {
                let (events, bound) = (*events, self.max_group_lag);
                beyond(events, bound, lag.is_some()).then(|| Pressure::GroupLag { group: group.clone(), events, bound })
            }),
            readings.free.map_or(disk.cloned(), |bytes| {
                let bound = self.min_free_disk;
                // The other way round: it is over when there is a quarter more than needed.
                let needed = if disk.is_some() { bound.saturating_add(bound / 4) } else { bound };
                (bytes < needed).then_some(Pressure::FreeDisk { bytes, bound })
            }),
        ];
        next.into_iter().flatten().collect()
    }
}

/// Whether a value is beyond its bound: above it, or, once it was, above 80 % of it.
fn beyond(value: u64, bound: u64, was: bool) -> bool {
    let limit = if was { u128::from(bound) * 4 } else { u128::from(bound) * 5 };
    u128::from(value) * 5 > limit
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: PressureBounds = PressureBounds {
        max_outbox_events: 100,
        max_outbox_age: Duration::from_secs(10),
        max_group_lag: 1_000,
        min_free_disk: 1_000,
    };

    fn outbox(events: u64, seconds: u64) -> Readings {
        Readings { outbox: Some((events, Duration::from_secs(seconds))), ..Readings::default() }
    }

    fn names(pressures: &[Pressure]) -> Vec<&'static str> {
        pressures.iter().map(Pressure::name).collect()
    }

    #[test]
    fn a_pressure_begins_above_its_bound_and_ends_at_four_fifths() {
        let mut now = BOUNDS.judge(&[], &outbox(100, 10));
        assert_eq!(names(&now), Vec::<&str>::new());
        for (events, seconds, expected) in [
            (101, 0, vec!["outbox_events"]),
            (81, 0, vec!["outbox_events"]),
            (80, 0, vec![]),
            (100, 11, vec!["outbox_age"]),
            (101, 9, vec!["outbox_events", "outbox_age"]),
            (90, 8, vec!["outbox_events"]),
            (0, 0, vec![]),
        ] {
            now = BOUNDS.judge(&now, &outbox(events, seconds));
            assert_eq!(names(&now), expected, "{events} events, {seconds} s");
        }
    }

    #[test]
    fn lag_and_disk_have_bounds_of_their_own() {
        let read = |lag, free| Readings { outbox: None, lag: Some(("g".to_owned(), lag)), free: Some(free) };
        let mut now = Vec::new();
        for (lag, free, expected) in [
            (1_000, 1_000, vec![]),
            (1_001, 999, vec!["group_lag", "free_disk"]),
            (801, 1_249, vec!["group_lag", "free_disk"]),
            (800, 1_250, vec![]),
        ] {
            now = BOUNDS.judge(&now, &read(lag, free));
            assert_eq!(names(&now), expected, "{lag} behind, {free} bytes");
        }
    }

    #[test]
    fn what_cannot_be_read_stays_as_it_was() {
        let full = BOUNDS.judge(&[], &outbox(500, 60));
        assert_eq!(BOUNDS.judge(&full, &Readings::default()), full);
        assert_eq!(BOUNDS.judge(&[], &Readings::default()), []);
    }
}
