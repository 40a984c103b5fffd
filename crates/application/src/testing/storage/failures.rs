//! What the cases of parking, dead letters and replays work with.

use std::{sync::Arc, time::Duration};

use activelog_domain::event::EventEnvelope;
use jiff::{SignedDuration, Timestamp};

use super::{Storage, case::Checked, samples::event};
use crate::ports::{
    Addressed, AfterDeadLetter, ClaimedLane, CommitError, DeadLetter, DeadLetterFilter, DeathReason, Failures, Intake,
    ParkedEvent, ParkedFilter, StorageError, StorageErrorKind,
};

pub(super) const HANDLER: &str = "handler";

/// How long claims last.
pub(super) const LEASE: Duration = Duration::from_secs(60);

/// So many seconds after the beginning of 2100: later than the present of every storage, so that what is due at once is due.
pub(super) fn future(seconds: i64) -> Timestamp {
    const START: Timestamp = Timestamp::constant(4_102_444_800, 0);
    START.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

pub(super) fn to(handler: &str, event: EventEnvelope) -> Addressed {
    Addressed { handler: handler.into(), group: "a group 🚴".into(), event: Arc::new(event) }
}

/// An event for [`HANDLER`].
pub(super) fn nth(key: &str, sequence: u64) -> Addressed {
    to(HANDLER, event(key, sequence))
}

pub(super) fn failed(attempts: u32) -> Failures {
    Failures {
        attempts,
        first_at: future(-1_000),
        last_at: future(-1_000 + i64::from(attempts)),
        error: format!("attempt {attempts}: Ünï 🚴 'quoted' \"twice\"; -- % _ \\"),
    }
}

pub(super) fn sequences(events: &[ParkedEvent]) -> Vec<u64> {
    events.iter().map(|parked| parked.addressed.event.sequence).collect()
}

/// Does it again while others are in the way.
pub(super) async fn insist<T, W: Future<Output = Result<T, StorageError>>>(operation: impl Fn() -> W) -> Checked<T> {
    loop {
        match operation().await {
            Err(error) if error.is_transient() => tokio::time::sleep(Duration::from_millis(fastrand::u64(1..5))).await,
            done => return Ok(done?),
        }
    }
}

impl Storage {
    /// Parks an event, due in the future's beginning. The first time.
    pub(super) async fn park(&self, addressed: &Addressed, failures: Option<&Failures>) -> Checked {
        let parked = self.parking.park(addressed, failures, future(0)).await?;
        ensure!(parked, "{} was not parked", addressed.event.sequence);
        Ok(())
    }

    /// Parks events 1 to `last` of a key, the first of which has failed.
    pub(super) async fn park_lane(&self, key: &str, last: u64) -> Checked<Vec<Addressed>> {
        let lane: Vec<Addressed> = (1..=last).map(|sequence| nth(key, sequence)).collect();
        for (n, addressed) in lane.iter().enumerate() {
            let failures = failed(3);
            self.park(addressed, (n == 0).then_some(&failures)).await?;
        }
        Ok(lane)
    }

    pub(super) async fn claims(&self, seconds: i64) -> Checked<Vec<ClaimedLane>> {
        Ok(self.parking.claim(&[HANDLER], future(seconds), LEASE, 100).await?)
    }

    /// Claims the only lane there is.
    pub(super) async fn claim(&self, seconds: i64) -> Checked<ClaimedLane> {
        let mut lanes = self.claims(seconds).await?;
        ensure_eq!(lanes.len(), 1, "lanes to be claimed at second {seconds}");
        Ok(lanes.remove(0))
    }

    pub(super) async fn lane(&self, lane: &ClaimedLane) -> Checked<Vec<ParkedEvent>> {
        Ok(self.parking.events(lane, 100).await?)
    }

    /// Takes an event off its lane in a transaction of its own.
    pub(super) async fn take(&self, lane: &ClaimedLane, place: i64) -> Checked<bool> {
        let mut uow = self.begin().await?;
        let taken = uow.parking().take(lane, place).await?;
        match taken {
            true => uow.commit().await?,
            false => uow.rollback().await,
        }
        Ok(taken)
    }

    /// Has the handler's replay forget events in a transaction of its own.
    pub(super) async fn forget(&self, handler: &str, limit: u32) -> Checked<u64> {
        let mut uow = self.begin().await?;
        let forgotten = uow.inbox().forget(handler, limit).await?;
        uow.commit().await?;
        Ok(forgotten)
    }

    /// Why the handler's replay cannot forget events.
    pub(super) async fn cannot_forget(&self, handler: &str) -> Checked<Option<StorageErrorKind>> {
        let mut uow = self.begin().await?;
        let refused = uow.inbox().forget(handler, 100).await.err().map(|error| error.kind);
        uow.rollback().await;
        Ok(refused)
    }

    /// Takes everything off a lane and ends it.
    pub(super) async fn empty(&self, lane: &ClaimedLane) -> Checked<Vec<u64>> {
        let mut taken = Vec::new();
        loop {
            let events = self.lane(lane).await?;
            if events.is_empty() {
                return Ok(taken);
            }
            for parked in events {
                ensure!(self.take(lane, parked.place).await?, "place {} cannot be taken", parked.place);
                taken.push(parked.addressed.event.sequence);
            }
        }
    }

    /// What the inbox says of an event. Nothing is recorded.
    pub(super) async fn intake(&self, addressed: &Addressed) -> Checked<Intake> {
        let mut uow = self.begin().await?;
        let event = &addressed.event;
        let intake = uow.inbox().record(&addressed.handler, event.id, &event.partition_key).await?;
        uow.rollback().await;
        Ok(intake)
    }

    /// What the inbox says of an event to a replay. Nothing is recorded.
    pub(super) async fn replay_intake(&self, addressed: &Addressed) -> Checked<Intake> {
        let mut uow = self.begin().await?;
        let intake = uow.inbox().record_replayed(&addressed.handler, &addressed.event).await?;
        uow.rollback().await;
        Ok(intake)
    }

    /// Has the handler take an event that nothing is in the way of.
    pub(super) async fn take_in(&self, addressed: &Addressed) -> Checked {
        let mut uow = self.begin().await?;
        let event = &addressed.event;
        let intake = uow.inbox().record(&addressed.handler, event.id, &event.partition_key).await?;
        ensure_eq!(intake, Intake::New, "an event that nothing is in the way of");
        uow.commit().await.map_err(|error: CommitError| error.to_string())?;
        Ok(())
    }

    /// Everything that is parked.
    pub(super) async fn parked(&self) -> Checked<Vec<ParkedEvent>> {
        Ok(self.parking.list(&ParkedFilter::default(), None, 500).await?.items)
    }

    /// All dead letters, newest first.
    pub(super) async fn letters(&self) -> Checked<Vec<DeadLetter>> {
        Ok(self.dead_letters.list(&DeadLetterFilter::default(), None, 500).await?.items)
    }

    /// The only dead letter.
    pub(super) async fn letter(&self) -> Checked<DeadLetter> {
        let mut letters = self.letters().await?;
        ensure_eq!(letters.len(), 1, "dead letters");
        Ok(letters.remove(0))
    }

    pub(super) async fn bury(&self, addressed: &Addressed, after: AfterDeadLetter) -> Checked {
        let buried = self.parking.bury(addressed, DeathReason::Permanent, &failed(1), after).await?;
        ensure!(buried, "{} was not buried", addressed.event.sequence);
        Ok(())
    }

    /// Gives up the first event of a lane.
    pub(super) async fn give_up(&self, lane: &ClaimedLane, after: AfterDeadLetter) -> Checked {
        let first = self.parking.events(lane, 1).await?;
        let first = first.first().ok_or("the lane is empty")?;
        self.parking.give_up(lane, first.place, DeathReason::Exhausted, &failed(9), after).await?;
        Ok(())
    }
}
