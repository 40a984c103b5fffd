use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);

/// Several such delays follow one another until events flow after an outage, which is to take five seconds at most.
const MOST: Duration = Duration::from_secs(1);

/// Delays between tries: doubling, capped, and jittered so that many streams do not come back at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next delay, between half and all of its step.
    pub(super) fn next(&mut self) -> Duration {
        let step = FIRST.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX)).min(MOST);
        self.tries = self.tries.saturating_add(1).min(16);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// Starts again at the shortest delay.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_cap_and_starts_again() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= FIRST);
        for _ in 0..100 {
            assert!(backoff.next() <= MOST);
        }
        assert!(backoff.next() >= MOST / 2);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
