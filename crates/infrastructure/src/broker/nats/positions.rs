use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use activelog_application::ports::{
    GroupPositions, JournalCursor, Lease, PARTITIONS, Partition, StorageError, StorageErrorKind,
};
use async_nats::jetstream::kv::{CreateErrorKind, Store, UpdateErrorKind};
use async_trait::async_trait;
use futures::future::try_join_all;
use tokio::time::Instant;

use super::{
    connection::Connection,
    error::unavailable,
    lease_store::{beats, held_epoch, key as lease_key},
    log::head,
};
use crate::broker::partitioned::LogOptions;

/// The positions of groups: a key for each group and partition.
pub(super) struct NatsPositions {
    connection: Connection,
    /// The revisions and positions last seen, by key: saves a request where nobody else has written.
    seen: Mutex<HashMap<String, (u64, u64)>>,
    /// The members of groups that are to be removed: their beats, and since when none has changed.
    watched: Mutex<HashMap<String, Watched>>,
}

/// Beats by member, and since when none has changed.
type Watched = (BTreeMap<String, u64>, Instant);

/// How often a change is tried again that another member was faster with.
const TRIES: u32 = 10;

impl NatsPositions {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, seen: Mutex::default(), watched: Mutex::default() }
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

    async fn bucket(&self, operation: &'static str) -> Result<Store, StorageError> {
        self.connection.bucket().await.map_err(|error| unavailable(operation, error))
    }

    /// Revision and position of a key; 0 and 0 when it is not there.
    async fn look(&self, bucket: &Store, key: &str) -> Result<(u64, u64), StorageError> {
        let entry = bucket.entry(key).await.map_err(|error| unavailable("read positions", error))?;
        let seen = entry.filter(|entry| !entry.value.is_empty()).map_or((0, 0), |entry| {
            let position = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            (entry.revision, position)
        });
        self.note(key, seen);
        Ok(seen)
    }

    fn note(&self, key: &str, seen: (u64, u64)) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), seen);
    }

    fn known(&self, key: &str) -> Option<(u64, u64)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Writes a position over the revision it was read at. `None` when somebody else was faster.
    async fn write(&self, bucket: &Store, key: &str, revision: u64, position: u64) -> Result<Option<()>, StorageError> {
        const OPERATION: &str = "write positions";
        let text = position.to_string().into();
        let written = if revision == 0 {
            match bucket.create(key, text).await {
                Ok(revision) => Some(revision),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => None,
                Err(error) => return Err(unavailable(OPERATION, error)),
            }
        } else {
            match bucket.update(key, text, revision).await {
                Ok(revision) => Some(revision),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => None,
                Err(error) => return Err(unavailable(OPERATION, error)),
            }
        };
        if let Some(revision) = written {
            self.note(key, (revision, position));
        }
        Ok(written.map(drop))
    }

    async fn advance_one(&self, bucket: &Store, key: &str, position: u64) -> Result<(), StorageError> {
        let mut seen = match self.known(key) {
            Some(seen) => seen,
            None => self.look(bucket, key).await?,
        };
        for _ in 0..TRIES {
            if seen.1 >= position && seen.0 > 0 || self.write(bucket, key, seen.0, position).await?.is_some() {
                return Ok(());
            }
            seen = self.look(bucket, key).await?;
        }
        Err(unavailable("write positions", "another member writes the same position all the time"))
    }
}

fn key(group: &str, partition: Partition) -> String {
    format!("positions.{group}.{}", partition.0)
}

#[async_trait]
impl GroupPositions for NatsPositions {
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError> {
        let bucket = self.bucket("join the group").await?;
        let create = (0..PARTITIONS).map(Partition).zip(start.0).map(async |(partition, position)| {
            let key = key(group, partition);
            // Whoever was faster has made it known.
            if self.look(&bucket, &key).await?.0 == 0 {
                self.write(&bucket, &key, 0, position).await?;
            }
            Ok::<_, StorageError>(())
        });
        try_join_all(create).await?;
        self.positions(group).await
    }

    /// A stream that ends before a group's position was deleted meanwhile and began anew, by a clock that had been set back: so does the group.
    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError> {
        const OPERATION: &str = "read positions";
        let bucket = self.bucket(OPERATION).await?;
        let read =
            (0..PARTITIONS).map(Partition).map(async |partition| self.look(&bucket, &key(group, partition)).await);
        let found = try_join_all(read).await?;
        let stream = self.connection.stream().await.map_err(|error| unavailable(OPERATION, error))?;
        let head = head(&stream);
        let mut cursor = JournalCursor::default();
        for ((partition, slot), (revision, position)) in (0..PARTITIONS).map(Partition).zip(&mut cursor.0).zip(found) {
            *slot = if position <= head { position } else { 0 };
            if position > head {
                self.write(&bucket, &key(group, partition), revision, 0).await?;
            }
        }
        Ok(cursor)
    }

    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError> {
        const OPERATION: &str = "write positions";
        let Some((first, _)) = to.first() else { return Ok(()) };
        let bucket = self.bucket(OPERATION).await?;
        let leases = bucket.get(lease_key(&first.scope)).await.map_err(|error| unavailable(OPERATION, error))?;
        let leases = leases.unwrap_or_default();
        if to.iter().any(|(lease, _)| held_epoch(&leases, lease.partition) != Some(lease.epoch)) {
            let lost = "a partition has gone to another member";
            return Err(StorageError::new(StorageErrorKind::Fenced, OPERATION, lost));
        }
        let write = to
            .iter()
            .map(async |(lease, position)| self.advance_one(&bucket, &key(group, lease.partition), *position).await);
        try_join_all(write).await.map(drop)
    }

    async fn is_known(&self, group: &str) -> Result<bool, StorageError> {
        let bucket = self.bucket("look for a group").await?;
        Ok(self.look(&bucket, &key(group, Partition(0))).await?.0 > 0)
    }

    /// Whoever is not seen to beat for as long as a lease lasts is gone: what was called once in vain finds that out when it is called again.
    async fn remove(&self, group: &str) -> Result<bool, StorageError> {
        const OPERATION: &str = "remove the group";
        let failed = |error: super::connection::AnyError| unavailable(OPERATION, error);
        let (bucket, scope) = (self.bucket(OPERATION).await?, lease_key(&format!("group:{group}")));
        let content = bucket.get(&scope).await.map_err(|error| failed(Box::new(error)))?;
        if !self.all_silent(group, beats(&content.unwrap_or_default())) {
            return Ok(false);
        }
        for key in (0..PARTITIONS).map(|partition| key(group, Partition(partition))).chain([scope]) {
            bucket.purge(&key).await.map_err(|error| failed(Box::new(error)))?;
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
        self.watched.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
        Ok(true)
    }
}
