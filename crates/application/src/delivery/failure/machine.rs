use std::{sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{FailureLayer, policy::jittered};
use crate::{
    delivery::InvocationError,
    ports::{Addressed, Clock, DeathReason, Failures, ParkingStore, Signal, StorageError},
};

/// The longest pause between attempts to write down what has failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the lanes of a consumer and the retrier of a worker share. Cheap to clone.
#[derive(Clone)]
pub struct FailureMachine {
    pub(super) parking: Arc<dyn ParkingStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) group: String,
    pub(super) stop: CancellationToken,
    /// Rings when something was parked here, so that the retrier looks when it is due.
    pub(super) parked: Signal,
}

impl FailureMachine {
    /// For the handlers of consumer group `group`, until `stop`.
    pub fn new(
        parking: Arc<dyn ParkingStore>,
        clock: Arc<dyn Clock>,
        group: impl Into<String>,
        stop: CancellationToken,
    ) -> Self {
        Self { parking, clock, group: group.into(), stop, parked: Signal::new() }
    }

    /// What goes around every handler of a consumer, outside of all other layers.
    pub fn layer(&self) -> FailureLayer {
        FailureLayer::new(self.clone())
    }

    pub(super) fn addressed(&self, handler: &str, event: &Arc<EventEnvelope>) -> Addressed {
        Addressed { handler: handler.to_owned(), group: self.group.clone(), event: event.clone() }
    }

    /// The time after a pause, jittered.
    pub(super) fn after(&self, pause: Duration) -> Timestamp {
        let pause = SignedDuration::try_from(jittered(pause)).unwrap_or(SignedDuration::MAX);
        self.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX)
    }

    /// Runs a storage operation again and again while the database is away or others are in the way, until `stop`. Fails when trying again
    /// will not help, or it was told to stop.
    pub(super) async fn insist<T, F>(&self, operation: impl Fn() -> F + Send) -> Result<T, StorageError>
    where
        F: Future<Output = Result<T, StorageError>> + Send,
    {
        let mut pause = Duration::from_millis(20);
        loop {
            let error = match operation().await {
                Err(error) if error.is_transient() => error,
                outcome => return outcome,
            };
            tracing::debug!(%error, ?pause, "the database does not take a failed event; trying again");
            if self.stop.run_until_cancelled(tokio::time::sleep(jittered(pause))).await.is_none() {
                return Err(error);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    pub(super) fn tell_dead(&self, handler: &str, event: &EventEnvelope, reason: DeathReason, failures: &Failures) {
        tracing::error!(handler, event = %event.id, name = %event.name, subject = %event.subject, ?reason,
            attempts = failures.attempts, error = %failures.error,
            "event given up on; see `activelog dead-letters list`");
    }

    pub(super) fn tell_parked(&self, handler: &str, event: &EventEnvelope, pause: Duration, error: &InvocationError) {
        tracing::warn!(handler, event = %event.id, name = %event.name, subject = %event.subject, ?pause, %error,
            "event not handled; parked, and tried again later");
    }
}
