use std::sync::Arc;

use super::{Remedied, Remedy};
use crate::ports::{
    DeadLetter, DeadLetterFilter, DeadLetterState, DeadLetters, Listed, ParkedEvent, ParkedFilter, ParkingDepth,
    ParkingStore, StorageError,
};

/// How often a dead letter is tried that is dead whenever one looks, and never when one acts: it dies again in between.
const ATTEMPTS: u32 = 3;

/// The events that handlers have failed to take, for an operator. Cheap to clone.
#[derive(Clone)]
pub struct FailedEvents {
    pub(super) dead_letters: Arc<dyn DeadLetters>,
    parking: Arc<dyn ParkingStore>,
}

/// How much has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailureFigures {
    /// Dead letters that nothing was done about, counted up to 1,000,000.
    pub dead_letters: u64,
    /// What is parked.
    pub parked: ParkingDepth,
}

impl FailedEvents {
    /// Those of this storage.
    pub fn new(dead_letters: Arc<dyn DeadLetters>, parking: Arc<dyn ParkingStore>) -> Self {
        Self { dead_letters, parking }
    }

    /// A page of dead letters, newest first: see [`DeadLetters::list`].
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError> {
        self.dead_letters.list(filter, before, limit).await
    }

    /// One dead letter.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn show(&self, id: i64) -> Result<Option<DeadLetter>, StorageError> {
        self.dead_letters.find(id).await
    }

    /// A page of parked events, in the order of their places: see [`ParkingStore::list`].
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn parked(
        &self,
        filter: &ParkedFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Listed<ParkedEvent>, StorageError> {
        self.parking.list(filter, after, limit).await
    }

    /// How much has failed: two counts, cheap enough for a health check.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn figures(&self) -> Result<FailureFigures, StorageError> {
        let dead = DeadLetterFilter { state: Some(DeadLetterState::Dead), ..DeadLetterFilter::default() };
        let (dead_letters, parked) = futures::try_join!(self.dead_letters.count(&dead), self.parking.depth())?;
        Ok(FailureFigures { dead_letters, parked })
    }

    /// Does something about one dead letter; with `dry_run`, says what would become of it and changes nothing.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn remedy(&self, remedy: Remedy, id: i64, dry_run: bool) -> Result<Remedied, StorageError> {
        for _ in 0..ATTEMPTS {
            if !dry_run && self.apply(remedy, id).await? {
                return Ok(Remedied::Done);
            }
            match self.dead_letters.find(id).await?.map(|letter| letter.state) {
                None => return Ok(Remedied::NotFound),
                Some(DeadLetterState::Dead) if dry_run => return Ok(Remedied::Done),
                Some(DeadLetterState::Dead) => {}
                Some(state) => return Ok(Remedied::NotDead(state)),
            }
        }
        Ok(Remedied::NotDead(DeadLetterState::Replaying))
    }

    pub(super) async fn apply(&self, remedy: Remedy, id: i64) -> Result<bool, StorageError> {
        match remedy {
            Remedy::Replay => self.dead_letters.replay(id).await,
            Remedy::Discard => self.dead_letters.discard(id).await,
        }
    }
}
