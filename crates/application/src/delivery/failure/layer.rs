use std::{sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

use super::{FailureMachine, NextStep, attempts::one_more, policy::jittered};
use crate::{
    delivery::{Entry, FailurePolicy, Handled, Invocation, InvocationError, Layer},
    ports::{DeathReason, Failures, StorageError},
};

/// The longest pause between attempts while the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// What goes around every handler of a consumer: quick attempts in the lane, then parking, or a dead letter. What comes out is an error only
/// when the program is stopping or the failure itself cannot be written down: the event then goes back to the broker.
#[derive(Clone)]
pub struct FailureLayer(FailureMachine);

impl FailureLayer {
    pub(super) fn new(machine: FailureMachine) -> Self {
        Self(machine)
    }
}

impl Layer for FailureLayer {
    fn wrap(&self, inner: Arc<dyn Invocation>) -> Arc<dyn Invocation> {
        Arc::new(Guarded { machine: self.0.clone(), inner })
    }
}

struct Guarded {
    machine: FailureMachine,
    inner: Arc<dyn Invocation>,
}

#[async_trait]
impl Invocation for Guarded {
    fn handler(&self) -> &'static str {
        self.inner.handler()
    }

    fn policy(&self) -> FailurePolicy {
        self.inner.policy()
    }

    async fn invoke(&self, event: &Arc<EventEnvelope>, entry: &Entry) -> Result<Handled, InvocationError> {
        let policy = self.policy();
        let (mut failures, mut outages) = (None, 0_u32);
        loop {
            let error = match self.inner.invoke(event, entry).await {
                Ok(Handled::Behind) => return self.park(event, None, Duration::ZERO).await,
                Ok(handled) => return Ok(handled),
                Err(error) => error,
            };
            let pause = if matches!(error, InvocationError::Unavailable(_)) {
                outages = outages.saturating_add(1);
                policy.quick_pause.saturating_mul(1 << outages.min(16)).min(OUTAGE_PAUSE)
            } else {
                let so_far = one_more(failures.take(), &error, self.machine.clock.now());
                match policy.next(so_far.attempts, &error) {
                    NextStep::Retry(pause) => {
                        failures = Some(so_far);
                        pause
                    }
                    NextStep::Park(pause) => {
                        self.machine.tell_parked(self.handler(), event, pause, &error);
                        return self.park(event, Some(&so_far), pause).await;
                    }
                    NextStep::GiveUp(reason) => return self.bury(event, reason, &so_far).await,
                }
            };
            tracing::debug!(handler = self.handler(), event = %event.id, ?pause, %error, "event not handled; trying again");
            let waited = self.machine.stop.run_until_cancelled(tokio::time::sleep(jittered(pause))).await;
            if waited.is_none() {
                return Err(error);
            }
        }
    }
}

impl Guarded {
    /// Parks the event; one that only comes behind another is due when that one is.
    async fn park(
        &self,
        event: &Arc<EventEnvelope>,
        failures: Option<&Failures>,
        pause: Duration,
    ) -> Result<Handled, InvocationError> {
        let addressed = self.machine.addressed(self.handler(), event);
        let due = self.machine.after(pause);
        let parked = self.machine.insist(|| self.machine.parking.park(&addressed, failures, due)).await;
        self.machine.parked.ring();
        self.written_down(parked, Handled::Parked)
    }

    async fn bury(
        &self,
        event: &Arc<EventEnvelope>,
        reason: DeathReason,
        failures: &Failures,
    ) -> Result<Handled, InvocationError> {
        let addressed = self.machine.addressed(self.handler(), event);
        let after = self.policy().after_dead_letter;
        let parking = &self.machine.parking;
        let buried = self.machine.insist(|| parking.bury(&addressed, reason, failures, after)).await;
        if let Ok(true) = buried {
            self.machine.tell_dead(self.handler(), event, reason, failures);
        }
        self.written_down(buried, Handled::DeadLetter)
    }

    /// `false` means that another worker has taken or written down the event meanwhile.
    fn written_down(&self, kept: Result<bool, StorageError>, handled: Handled) -> Result<Handled, InvocationError> {
        match kept {
            Ok(true) => Ok(handled),
            Ok(false) => Ok(Handled::AlreadyTaken),
            Err(error) => Err(InvocationError::Unavailable(error.into())),
        }
    }
}
