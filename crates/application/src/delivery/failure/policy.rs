use std::{collections::BTreeMap, time::Duration};

use crate::{
    delivery::InvocationError,
    ports::{AfterDeadLetter, DeathReason},
};

/// What happens when a handler fails: how often and when it is tried again, and what follows when it was given up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePolicy {
    /// How many attempts are made in the lane before the event is parked, the first one included.
    pub quick_attempts: u32,
    /// The pause after the first attempt in the lane; it doubles with each.
    pub quick_pause: Duration,
    /// How many attempts are made in all before the event becomes a dead letter.
    pub attempts: u32,
    /// How long an event is parked the first time; it doubles with each attempt.
    pub first_backoff: Duration,
    /// The longest time between attempts.
    pub longest_backoff: Duration,
    /// How many times the process may end while the handler has the event before it is not given to it any more.
    pub crashes: u32,
    /// What becomes of the aggregate's later events after a dead letter.
    pub after_dead_letter: AfterDeadLetter,
    /// How long one attempt may take.
    pub time_limit: Duration,
}

impl Default for FailurePolicy {
    /// Three quick attempts, then twelve within about two hours; the aggregate is held after a dead letter, as what comes after a gap
    /// would be wrong.
    fn default() -> Self {
        Self {
            quick_attempts: 3,
            quick_pause: Duration::from_millis(20),
            attempts: 15,
            first_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(30 * 60),
            crashes: 3,
            after_dead_letter: AfterDeadLetter::Hold,
            time_limit: Duration::from_secs(60),
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Try again in the lane after this pause.
    Retry(Duration),
    /// Park the event, and try again after this time.
    Park(Duration),
    /// Give the event up: it becomes a dead letter.
    GiveUp(DeathReason),
}

impl FailurePolicy {
    /// Decides after `attempts` failed attempts in all, the last with `error`. What only concerns the surroundings is never counted and
    /// does not come here.
    pub fn next(&self, attempts: u32, error: &InvocationError) -> NextStep {
        match error {
            InvocationError::Permanent(_) => NextStep::GiveUp(DeathReason::Permanent),
            InvocationError::Undecodable(_) => NextStep::GiveUp(DeathReason::Undecodable),
            InvocationError::Crashed { .. } => NextStep::GiveUp(DeathReason::Crashed),
            _ if attempts >= self.attempts => NextStep::GiveUp(DeathReason::Exhausted),
            _ if attempts < self.quick_attempts => NextStep::Retry(self.quick_pause.saturating_mul(doubled(attempts))),
            _ => {
                let parked = attempts.saturating_sub(self.quick_attempts).saturating_add(1);
                NextStep::Park(self.first_backoff.saturating_mul(doubled(parked)).min(self.longest_backoff))
            }
        }
    }

    /// The pause of a parked event before its next attempt, which is never quick.
    pub(super) fn next_when_parked(&self, attempts: u32, error: &InvocationError) -> NextStep {
        match self.next(attempts, error) {
            NextStep::Retry(_) => NextStep::Park(self.first_backoff.min(self.longest_backoff)),
            other => other,
        }
    }
}

/// 1, 2, 4 … for the first, second, third failure.
fn doubled(failures: u32) -> u32 {
    1 << failures.saturating_sub(1).min(24)
}

/// Spreads pauses over the half below, so that what failed together is not retried together.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// The policy of every handler: what is configured for it by name, else what it asks for itself, else the default.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    default: FailurePolicy,
    by_handler: BTreeMap<String, FailurePolicy>,
}

impl Policies {
    /// The same for every handler that does not ask for its own.
    pub fn new(default: FailurePolicy) -> Self {
        Self { default, by_handler: BTreeMap::new() }
    }

    /// With this one for `handler`, whatever it asks for.
    #[must_use]
    pub fn with(mut self, handler: impl Into<String>, policy: FailurePolicy) -> Self {
        self.by_handler.insert(handler.into(), policy);
        self
    }

    /// The policy of a handler that asks for `own`.
    pub fn of(&self, handler: &str, own: Option<FailurePolicy>) -> FailurePolicy {
        self.by_handler.get(handler).copied().or(own).unwrap_or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: FailurePolicy = FailurePolicy {
        quick_attempts: 3,
        quick_pause: Duration::from_millis(20),
        attempts: 8,
        first_backoff: Duration::from_secs(1),
        longest_backoff: Duration::from_secs(5),
        crashes: 3,
        after_dead_letter: AfterDeadLetter::Hold,
        time_limit: Duration::from_secs(60),
    };

    fn failed() -> InvocationError {
        InvocationError::Failed("no".into())
    }

    #[test]
    fn quick_attempts_then_parked_with_growing_back_off_then_dead() {
        let steps: Vec<_> = (1..=8).map(|attempts| POLICY.next(attempts, &failed())).collect();
        let (millis, secs) = (Duration::from_millis, Duration::from_secs);
        assert_eq!(
            steps,
            [
                NextStep::Retry(millis(20)),
                NextStep::Retry(millis(40)),
                NextStep::Park(secs(1)),
                NextStep::Park(secs(2)),
                NextStep::Park(secs(4)),
                NextStep::Park(secs(5)),
                NextStep::Park(secs(5)),
                NextStep::GiveUp(DeathReason::Exhausted),
            ]
        );
    }

    #[test]
    fn what_can_never_succeed_is_given_up_at_once() {
        let permanent = InvocationError::Permanent("never".into());
        assert_eq!(POLICY.next(1, &permanent), NextStep::GiveUp(DeathReason::Permanent));
        let crashed = InvocationError::Crashed { times: 3 };
        assert_eq!(POLICY.next(1, &crashed), NextStep::GiveUp(DeathReason::Crashed));
    }

    #[test]
    fn a_parked_event_is_never_retried_in_the_lane() {
        assert_eq!(POLICY.next_when_parked(1, &failed()), NextStep::Park(Duration::from_secs(1)));
    }

    #[test]
    fn counts_beyond_all_bounds_do_not_overflow() {
        let endless = FailurePolicy { attempts: u32::MAX, ..POLICY };
        assert_eq!(endless.next(u32::MAX - 1, &failed()), NextStep::Park(Duration::from_secs(5)));
    }

    #[test]
    fn configuration_goes_before_what_a_handler_asks_for() {
        let own = FailurePolicy { attempts: 2, ..POLICY };
        let configured = FailurePolicy { attempts: 3, ..POLICY };
        let policies = Policies::new(POLICY).with("one", configured);
        assert_eq!(policies.of("one", Some(own)), configured);
        assert_eq!(policies.of("two", Some(own)), own);
        assert_eq!(policies.of("two", None), POLICY);
    }
}
