//! The defects of what is kept of failures, one each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    ports::{
        Addressed, AfterDeadLetter, ClaimedLane, DeathReason, Failures, Listed, ParkedEvent, ParkedFilter, Parking,
        ParkingDepth, ParkingStore, StorageError,
    },
    testing::MemoryFailures,
};
use async_trait::async_trait;
use jiff::Timestamp;

/// What is wrong with a parking store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParkingDefect {
    /// Whoever had a lane still has it.
    NoFencing,
    /// Epochs are counted anew when a lane has ended.
    EpochsStartAnew,
    /// A lane ends when all is gone that it held when it was last read, whatever it holds by now.
    EndsLanesWithEvents,
    /// What is known already is parked again.
    ParksTwice,
    /// A claim does not keep others from claiming.
    ClaimsAnyLane,
    /// What fails again is due at once.
    ForgetsBackOff,
    /// Nothing is held.
    NeverHolds,
    /// What is replayed comes last.
    ReplaysComeLast,
    /// `false` from `take` is `true`.
    TakesWhatIsGone,
}

type LaneKey = (String, String);

fn key(lane: &ClaimedLane) -> LaneKey {
    (lane.handler.clone(), lane.key.clone())
}

/// A parking store with a defect.
pub(crate) struct BrokenParking {
    inner: MemoryFailures,
    defect: ParkingDefect,
    /// The last claim of each lane.
    newest: Mutex<HashMap<LaneKey, ClaimedLane>>,
    /// The true epochs of each lane, in the order of claims since it came.
    epochs: Mutex<HashMap<LaneKey, Vec<i64>>>,
    /// The last place of each lane when it was last read.
    read: Mutex<HashMap<LaneKey, i64>>,
}

impl BrokenParking {
    pub(crate) fn new(inner: MemoryFailures, defect: ParkingDefect) -> Arc<Self> {
        Arc::new(Self { inner, defect, newest: Mutex::default(), epochs: Mutex::default(), read: Mutex::default() })
    }

    /// The claim to be used instead of this one.
    fn claim_of(&self, lane: &ClaimedLane) -> ClaimedLane {
        match self.defect {
            ParkingDefect::NoFencing => {
                self.newest.lock().expect("not poisoned").get(&key(lane)).unwrap_or(lane).clone()
            }
            ParkingDefect::EpochsStartAnew => {
                let epochs = self.epochs.lock().expect("not poisoned");
                let nth = usize::try_from(lane.epoch - 1).ok();
                let epoch = nth.and_then(|nth| epochs.get(&key(lane))?.get(nth).copied());
                ClaimedLane { epoch: epoch.unwrap_or(-1), ..lane.clone() }
            }
            _ => lane.clone(),
        }
    }

    /// The claim as it is told.
    fn told(&self, lane: ClaimedLane) -> ClaimedLane {
        self.newest.lock().expect("not poisoned").insert(key(&lane), lane.clone());
        if self.defect != ParkingDefect::EpochsStartAnew {
            return lane;
        }
        let mut epochs = self.epochs.lock().expect("not poisoned");
        let epochs = epochs.entry(key(&lane)).or_default();
        epochs.push(lane.epoch);
        ClaimedLane { epoch: i64::try_from(epochs.len()).expect("few claims"), ..lane }
    }

    /// Loses what came after the lane was last read, when all that was there is gone.
    async fn lose_late_events(&self, lane: &ClaimedLane, events: &[ParkedEvent]) -> Result<bool, StorageError> {
        let last = self.read.lock().expect("not poisoned").get(&key(lane)).copied();
        if last.is_none_or(|last| events.iter().any(|parked| parked.place <= last)) {
            return Ok(false);
        }
        for parked in events {
            let failures =
                Failures { attempts: 1, first_at: parked.parked_at, last_at: parked.parked_at, error: String::new() };
            let (reason, after) = (DeathReason::Permanent, AfterDeadLetter::Continue);
            self.inner.give_up(lane, parked.place, reason, &failures, after).await?;
        }
        Ok(true)
    }
}

/// The parking of a unit of work, for such a store.
pub(crate) struct BrokenTaking<'a> {
    pub(crate) inner: Box<dyn Parking + 'a>,
    pub(crate) store: Arc<BrokenParking>,
}

#[async_trait]
impl Parking for BrokenTaking<'_> {
    async fn take(&mut self, lane: &ClaimedLane, place: i64) -> Result<bool, StorageError> {
        let taken = self.inner.take(&self.store.claim_of(lane), place).await?;
        Ok(taken || self.store.defect == ParkingDefect::TakesWhatIsGone)
    }
}

#[async_trait]
impl ParkingStore for BrokenParking {
    async fn park(
        &self,
        addressed: &Addressed,
        failures: Option<&Failures>,
        due: Timestamp,
    ) -> Result<bool, StorageError> {
        let parked = self.inner.park(addressed, failures, due).await?;
        Ok(parked || self.defect == ParkingDefect::ParksTwice)
    }

    async fn bury(
        &self,
        addressed: &Addressed,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<bool, StorageError> {
        self.inner.bury(addressed, reason, failures, after).await
    }

    async fn claim(
        &self,
        handlers: &[&str],
        now: Timestamp,
        lease: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedLane>, StorageError> {
        let lease = if self.defect == ParkingDefect::ClaimsAnyLane { Duration::ZERO } else { lease };
        let lanes = self.inner.claim(handlers, now, lease, limit).await?;
        Ok(lanes.into_iter().map(|lane| self.told(lane)).collect())
    }

    async fn renew(&self, lanes: &[ClaimedLane], until: Timestamp) -> Result<Vec<ClaimedLane>, StorageError> {
        let mut held = Vec::new();
        for lane in lanes {
            if !self.inner.renew(&[self.claim_of(lane)], until).await?.is_empty() {
                held.push(lane.clone());
            }
        }
        Ok(held)
    }

    async fn events(&self, lane: &ClaimedLane, limit: u32) -> Result<Vec<ParkedEvent>, StorageError> {
        let lane = &self.claim_of(lane);
        let last_come_last = self.defect == ParkingDefect::ReplaysComeLast;
        let mut events = self.inner.events(lane, if last_come_last { 500 } else { limit }).await?;
        if last_come_last {
            events.sort_by_key(|parked| parked.parked_at);
            events.truncate(usize::try_from(limit).expect("it fits"));
        }
        if self.defect == ParkingDefect::EndsLanesWithEvents && self.lose_late_events(lane, &events).await? {
            return Ok(Vec::new());
        }
        match events.last() {
            Some(last) => self.read.lock().expect("not poisoned").insert(key(lane), last.place),
            None if limit > 0 => {
                self.epochs.lock().expect("not poisoned").remove(&key(lane));
                self.read.lock().expect("not poisoned").remove(&key(lane))
            }
            None => None,
        };
        Ok(events)
    }

    async fn postpone(
        &self,
        lane: &ClaimedLane,
        place: i64,
        failures: &Failures,
        due: Timestamp,
    ) -> Result<(), StorageError> {
        let due = if self.defect == ParkingDefect::ForgetsBackOff { Timestamp::UNIX_EPOCH } else { due };
        self.inner.postpone(&self.claim_of(lane), place, failures, due).await
    }

    async fn give_up(
        &self,
        lane: &ClaimedLane,
        place: i64,
        reason: DeathReason,
        failures: &Failures,
        after: AfterDeadLetter,
    ) -> Result<(), StorageError> {
        let after = if self.defect == ParkingDefect::NeverHolds { AfterDeadLetter::Continue } else { after };
        self.inner.give_up(&self.claim_of(lane), place, reason, failures, after).await
    }

    async fn release(&self, lane: &ClaimedLane) -> Result<(), StorageError> {
        self.inner.release(&self.claim_of(lane)).await
    }

    async fn next_due(&self, handlers: &[&str]) -> Result<Option<Timestamp>, StorageError> {
        self.inner.next_due(handlers).await
    }

    async fn list(
        &self,
        filter: &ParkedFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Listed<ParkedEvent>, StorageError> {
        let mut listed = ParkingStore::list(&self.inner, filter, after, limit).await?;
        if self.defect == ParkingDefect::ReplaysComeLast {
            listed.items.sort_by_key(|parked| parked.parked_at);
        }
        Ok(listed)
    }

    async fn depth(&self) -> Result<ParkingDepth, StorageError> {
        self.inner.depth().await
    }
}
