use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::FailureTables;
use crate::ports::{Addressed, ClaimedLane, StorageError, StorageErrorKind};

/// What a transaction may hold and another has to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::testing) enum Hold {
    /// A handler and an event, in the inbox.
    Inbox(String, uuid::Uuid),
    /// An idempotency key.
    Key(String, String),
    /// A handler and a partition key.
    Lane(String, String),
    /// Whatever a handler and any event have in the inbox: to wait for, not to be held.
    Handler(String),
}

impl Hold {
    /// Whether one who needs this has to wait for one who holds `held`.
    pub(in crate::testing) fn waits_for(&self, held: &Self) -> bool {
        match (self, held) {
            (Self::Handler(handler), Self::Inbox(holder, _)) => handler == holder,
            _ => self == held,
        }
    }

    pub(super) fn inbox(addressed: &Addressed) -> Self {
        Self::Inbox(addressed.handler.clone(), addressed.event.id)
    }

    pub(super) fn lane(lane: &ClaimedLane) -> Self {
        Self::Lane(lane.handler.clone(), lane.key.clone())
    }

    pub(super) fn lane_of(addressed: &Addressed) -> Self {
        Self::Lane(addressed.handler.clone(), addressed.event.partition_key.clone())
    }
}

/// What a transaction of one statement does to the tables.
pub(in crate::testing) type Change<'a> = &'a mut (dyn FnMut(&mut FailureTables) + Send);

/// What a query makes of the tables.
pub(in crate::testing) type Reading<'a> = &'a mut (dyn FnMut(&FailureTables) + Send);

/// A storage in memory that has these tables.
#[async_trait]
pub(in crate::testing) trait TableAccess: Send + Sync {
    /// Changes the tables in a transaction of its own, once nobody else holds any of `needs`.
    async fn change(&self, operation: &'static str, needs: &[Hold], change: Change<'_>) -> Result<(), StorageError>;

    /// Reads what was committed.
    async fn read(&self, operation: &'static str, reading: Reading<'_>) -> Result<(), StorageError>;
}

/// The parking store, dead letters, crash marks and replays of a storage in memory: they agree with the inbox and the parking of its
/// units of work. Clones share it.
///
/// Its time of day is its own and lies before that of every test: what is due at once is due.
#[derive(Clone)]
pub struct MemoryFailures(Arc<dyn TableAccess>);

impl fmt::Debug for MemoryFailures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFailures").finish_non_exhaustive()
    }
}

impl MemoryFailures {
    pub(in crate::testing) fn new(storage: Arc<dyn TableAccess>) -> Self {
        Self(storage)
    }

    pub(super) async fn change<T: Send>(
        &self,
        operation: &'static str,
        needs: &[Hold],
        mut work: impl FnMut(&mut FailureTables) -> T + Send,
    ) -> Result<T, StorageError> {
        let mut answer = None;
        self.0.change(operation, needs, &mut |tables| answer = Some(work(tables))).await?;
        answered(operation, answer)
    }

    pub(super) async fn read<T: Send>(
        &self,
        operation: &'static str,
        mut reading: impl FnMut(&FailureTables) -> T + Send,
    ) -> Result<T, StorageError> {
        let mut answer = None;
        self.0.read(operation, &mut |tables| answer = Some(reading(tables))).await?;
        answered(operation, answer)
    }
}

fn answered<T>(operation: &'static str, answer: Option<T>) -> Result<T, StorageError> {
    answer.ok_or_else(|| StorageError::new(StorageErrorKind::Other, operation, "the storage did not do it"))
}
