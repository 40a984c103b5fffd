use std::time::Duration;

use super::{FailureMachine, NextStep, attempts::one_more, policy::jittered};
use crate::{
    delivery::{Entry, Handled, Invocation, InvocationError, Routes},
    ports::{AfterDeadLetter, ClaimedLane, ParkedEvent, StorageError},
};

/// How many events of a lane are read at once.
const PAGE: u32 = 64;

/// The longest pause between attempts while the database is away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// A lane that was claimed, to be emptied.
pub(super) struct Lane {
    pub(super) machine: FailureMachine,
    pub(super) routes: Routes,
    pub(super) lane: ClaimedLane,
}

/// What came of an event.
enum Progress {
    /// It has left the lane: the next one's turn.
    Next,
    /// The lane is no longer this worker's.
    Done,
}

impl Lane {
    /// Has the lane's events taken in order, until it is empty, one fails, or it is told to stop.
    pub(super) async fn run(&self) {
        match self.empty().await {
            Ok(()) => {}
            Err(error) if error.kind == crate::ports::StorageErrorKind::Fenced => {
                tracing::debug!(handler = %self.lane.handler, key = %self.lane.key, "the lane has gone to another worker");
            }
            Err(error) => {
                tracing::warn!(handler = %self.lane.handler, key = %self.lane.key, %error,
                    "parked events cannot be tried now; again when the claim has run out");
            }
        }
    }

    async fn empty(&self) -> Result<(), StorageError> {
        loop {
            let events = self.machine.insist(|| self.machine.parking.events(&self.lane, PAGE)).await?;
            if events.is_empty() {
                return Ok(());
            }
            for parked in events {
                if self.machine.stop.is_cancelled() {
                    return self.machine.parking.release(&self.lane).await;
                }
                if let Progress::Done = self.attempt(parked).await? {
                    return Ok(());
                }
            }
        }
    }

    async fn attempt(&self, parked: ParkedEvent) -> Result<Progress, StorageError> {
        let event = &parked.addressed.event;
        let Some(invocation) = self.routes.find(&event.name, &self.lane.handler) else {
            // Its handler takes this event no longer: nobody will.
            return self.nobody(parked).await;
        };
        let entry = Entry::Parked { lane: self.lane.clone(), place: parked.place };
        let mut outages = 0_u32;
        let error = loop {
            match invocation.invoke(event, &entry).await {
                Ok(Handled::Behind) | Err(InvocationError::Lost) => return Ok(Progress::Done),
                Ok(_) => return Ok(Progress::Next),
                Err(InvocationError::Unavailable(error)) => {
                    outages = outages.saturating_add(1);
                    let pause = Duration::from_millis(20).saturating_mul(1 << outages.min(16)).min(OUTAGE_PAUSE);
                    tracing::debug!(event = %event.id, %error, ?pause, "a parked event cannot be tried now");
                    if self.machine.stop.run_until_cancelled(tokio::time::sleep(jittered(pause))).await.is_none() {
                        self.machine.parking.release(&self.lane).await?;
                        return Ok(Progress::Done);
                    }
                }
                Err(error) => break error,
            }
        };
        self.failed(&parked, invocation.as_ref(), &error).await
    }

    /// Writes the failure down.
    async fn failed(
        &self,
        parked: &ParkedEvent,
        invocation: &dyn Invocation,
        error: &InvocationError,
    ) -> Result<Progress, StorageError> {
        let (machine, place) = (&self.machine, parked.place);
        let event = &parked.addressed.event;
        let policy = invocation.policy();
        let failures = one_more(parked.failures.clone(), error, machine.clock.now());
        match policy.next_when_parked(failures.attempts, error) {
            NextStep::Retry(pause) | NextStep::Park(pause) => {
                let due = machine.after(pause);
                tracing::debug!(handler = %self.lane.handler, event = %event.id, attempts = failures.attempts, ?pause, %error, "still not handled");
                machine.insist(|| machine.parking.postpone(&self.lane, place, &failures, due)).await?;
                Ok(Progress::Done)
            }
            NextStep::GiveUp(reason) => {
                let after = policy.after_dead_letter;
                machine.insist(|| machine.parking.give_up(&self.lane, place, reason, &failures, after)).await?;
                machine.tell_dead(&self.lane.handler, event, reason, &failures);
                Ok(match after {
                    AfterDeadLetter::Continue => Progress::Next,
                    AfterDeadLetter::Hold => Progress::Done,
                })
            }
        }
    }

    /// Buries an event that the handler was once registered for, and is no longer.
    async fn nobody(&self, parked: ParkedEvent) -> Result<Progress, StorageError> {
        let error = InvocationError::Permanent(
            format!("handler {} does not take {} any more", self.lane.handler, parked.addressed.event.name).into(),
        );
        let failures = one_more(parked.failures.clone(), &error, self.machine.clock.now());
        let (machine, reason) = (&self.machine, crate::ports::DeathReason::Permanent);
        let after = AfterDeadLetter::Continue;
        machine.insist(|| machine.parking.give_up(&self.lane, parked.place, reason, &failures, after)).await?;
        machine.tell_dead(&self.lane.handler, &parked.addressed.event, reason, &failures);
        Ok(Progress::Next)
    }
}
