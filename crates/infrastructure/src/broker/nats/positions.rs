use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use activelog_application::ports::{GroupPositions, JournalCursor, Lease, PARTITIONS, StorageError, StorageErrorKind};
use async_trait::async_trait;
use tokio::time::Instant;

use super::{
    connection::Connection,
    error::unavailable,
    keys::Keys,
    lease_store::{Scope, key as lease_key},
    log::head,
};
use crate::broker::partitioned::LogOptions;

/// The positions of groups. All of a group are one key: each write is a message, which the server syncs by itself.
pub(super) struct NatsPositions {
    keys: Keys,
    /// The members of groups that are to be removed: their beats, and since when none has changed.
    watched: Mutex<HashMap<String, Watched>>,
}

/// Beats by member, and since when none has changed.
type Watched = (BTreeMap<String, u64>, Instant);

/// What a group's key holds, by partition.
type Positions = [u64; PARTITIONS as usize];

impl NatsPositions {
    pub(super) fn new(connection: Connection) -> Self {
        Self { keys: Keys(connection), watched: Mutex::default() }
    }

    /// Whether none of these members has beaten for as long as a lease lasts.
    fn all_silent(&self, group: &str, beats: BTreeMap<String, u64>) -> bool {
        if beats.is_empty() {
            return true;
        }
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = watched.entry(group.to_owned()).or_insert_with(|| (beats.clone(), Instant::now()));
        if seen.0 != beats {
            *seen = (beats, Instant::now());
        }
        seen.1.elapsed() >= LogOptions::default().lease_ttl
    }
}

fn key(group: &str) -> String {
    format!("positions.{group}")
}

#[async_trait]
impl GroupPositions for NatsPositions {
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError> {
        // Whoever was faster has made it known.
        let create = |known: Option<Positions>| (known.is_none().then_some(start.0), ());
        self.keys.change("join the group", &key(group), create).await?;
        self.positions(group).await
    }

    /// A stream that ends before a group's position was deleted meanwhile and began anew, by a clock that had been set back: so does the group.
    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError> {
        const OPERATION: &str = "read positions";
        let Some(found) = self.keys.read::<Positions>(OPERATION, &key(group)).await? else {
            return Ok(JournalCursor::default());
        };
        // After the positions: they move on with it meanwhile.
        let stream = self.keys.0.stream().await.map_err(|error| unavailable(OPERATION, error))?;
        let head = head(&stream);
        let kept = found.map(|position| if position <= head { position } else { 0 });
        if kept != found {
            // A position that somebody has written since is of the stream that is there now; the others begin anew.
            let begin_anew = |now: Option<Positions>| {
                let Some(mut positions) = now else { return (None, ()) };
                for ((position, kept), found) in positions.iter_mut().zip(kept).zip(found) {
                    if *position == found {
                        *position = kept;
                    }
                }
                ((now != Some(positions)).then_some(positions), ())
            };
            self.keys.change(OPERATION, &key(group), begin_anew).await?;
        }
        Ok(JournalCursor(kept))
    }

    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError> {
        const OPERATION: &str = "write positions";
        let Some((first, _)) = to.first() else { return Ok(()) };
        let scope: Scope = self.keys.read(OPERATION, &lease_key(&first.scope)).await?.unwrap_or_default();
        if to.iter().any(|(lease, _)| scope.held_epoch(lease.partition) != Some(lease.epoch)) {
            let lost = "a partition has gone to another member";
            return Err(StorageError::new(StorageErrorKind::Fenced, OPERATION, lost));
        }
        let advance = |found: Option<Positions>| {
            let mut positions = found.unwrap_or_default();
            for (lease, position) in to {
                if let Some(slot) = positions.get_mut(usize::from(lease.partition.0)) {
                    *slot = (*slot).max(*position);
                }
            }
            ((found != Some(positions)).then_some(positions), ())
        };
        self.keys.change(OPERATION, &key(group), advance).await
    }

    async fn is_known(&self, group: &str) -> Result<bool, StorageError> {
        Ok(self.keys.read::<Positions>("look for a group", &key(group)).await?.is_some())
    }

    /// Whoever is not seen to beat for as long as a lease lasts is gone: what was called once in vain finds that out when it is called again.
    async fn remove(&self, group: &str) -> Result<bool, StorageError> {
        const OPERATION: &str = "remove the group";
        let leases = lease_key(&format!("group:{group}"));
        let scope: Scope = self.keys.read(OPERATION, &leases).await?.unwrap_or_default();
        if !self.all_silent(group, scope.members) {
            return Ok(false);
        }
        self.keys.remove(OPERATION, &[&key(group), &leases]).await?;
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
        Ok(true)
    }
}
