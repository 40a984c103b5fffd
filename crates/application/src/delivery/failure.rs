use std::time::Duration;

use super::InvocationError;

/// What happens when a handler fails: a few quick retries in the lane, then the aggregate is held.
///
/// Held means that the failed event goes back to the broker with a delay, and with it every later event of its partition key, which the
/// broker keeps behind it. Everything else flows: what is held takes no part of the prefetch. After the delay the event is tried again:
/// a fixed handler or a healed dependency sets it free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePolicy {
    /// How many attempts are quick, the first one included.
    pub quick_attempts: u32,
    /// The pause after the first attempt; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause, and the pause between attempts while held.
    pub longest_pause: Duration,
}

impl Default for FailurePolicy {
    fn default() -> Self {
        Self { quick_attempts: 5, first_pause: Duration::from_millis(20), longest_pause: Duration::from_secs(30) }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Try again in the lane after this pause.
    Retry(Duration),
    /// Quick attempts are used up, or none will help: hold the aggregate and try again after this pause.
    Hold(Duration),
}

impl FailurePolicy {
    /// Decides after failed attempt number `attempt` (from 1).
    pub fn next(&self, attempt: u32, error: &InvocationError) -> NextStep {
        let pause = self.pause(attempt);
        match error {
            InvocationError::Permanent(_) | InvocationError::Held { .. } => NextStep::Hold(self.longest_pause),
            InvocationError::Failed(_) if attempt >= self.quick_attempts => NextStep::Hold(self.longest_pause),
            InvocationError::Failed(_) => NextStep::Retry(pause),
            // Not the handler's fault: at most a second, so that work goes on soon after the database is back.
            InvocationError::Unavailable(_) => NextStep::Retry(pause.min(Duration::from_secs(1))),
        }
    }

    fn pause(&self, attempt: u32) -> Duration {
        self.first_pause.saturating_mul(1_u32 << attempt.saturating_sub(1).min(16)).min(self.longest_pause)
    }
}

/// Spreads pauses over the half below, so that what failed together is not retried together.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_retries_double_and_then_hold() {
        let policy = FailurePolicy::default();
        let failed = || InvocationError::Failed("no".into());
        assert_eq!(policy.next(1, &failed()), NextStep::Retry(Duration::from_millis(20)));
        assert_eq!(policy.next(4, &failed()), NextStep::Retry(Duration::from_millis(160)));
        assert_eq!(policy.next(5, &failed()), NextStep::Hold(policy.longest_pause));
        assert_eq!(policy.next(1, &InvocationError::Permanent("no".into())), NextStep::Hold(policy.longest_pause));
    }

    #[test]
    fn an_outage_never_holds() {
        let policy = FailurePolicy::default();
        let away = InvocationError::Unavailable("away".into());
        assert_eq!(policy.next(u32::MAX, &away), NextStep::Retry(Duration::from_secs(1)));
    }
}
