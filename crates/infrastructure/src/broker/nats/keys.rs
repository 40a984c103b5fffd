use std::time::Duration;

use activelog_application::ports::StorageError;
use async_nats::jetstream::kv::{CreateErrorKind, Store, UpdateErrorKind};
use serde::{Serialize, de::DeserializeOwned};

use super::{connection::Connection, error::unavailable};

/// How often a change is tried again that another member was faster with.
const TRIES: u32 = 30;

/// The bucket's keys: each holds JSON, and is changed from the revision that was read.
#[derive(Clone)]
pub(super) struct Keys(pub(super) Connection);

impl Keys {
    /// What a key holds; `None` when it is not there.
    pub(super) async fn read<C: DeserializeOwned>(
        &self,
        operation: &'static str,
        key: &str,
    ) -> Result<Option<C>, StorageError> {
        let bucket = self.bucket(operation).await?;
        Ok(entry(&bucket, operation, key).await?.map(|(_, content)| content))
    }

    /// Changes what a key holds to what `change` makes of it, again from the start when somebody else was faster. Where that is `None`, it stays as it is.
    pub(super) async fn change<C, T>(
        &self,
        operation: &'static str,
        key: &str,
        change: impl Fn(Option<C>) -> (Option<C>, T) + Send + Sync,
    ) -> Result<T, StorageError>
    where
        C: Serialize + DeserializeOwned + Send,
        T: Send,
    {
        let bucket = self.bucket(operation).await?;
        for _ in 0..TRIES {
            let (revision, content) = entry(&bucket, operation, key).await?.unzip();
            let (content, outcome) = change(content);
            let Some(content) = content else { return Ok(outcome) };
            let text = serde_json::to_vec(&content).map_err(|error| unavailable(operation, error))?.into();
            let taken = match revision {
                Some(revision) => match bucket.update(key, text, revision).await {
                    Ok(_) => true,
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => false,
                    Err(error) => return Err(unavailable(operation, error)),
                },
                None => match bucket.create(key, text).await {
                    Ok(_) => true,
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => false,
                    Err(error) => return Err(unavailable(operation, error)),
                },
            };
            if taken {
                return Ok(outcome);
            }
            tokio::time::sleep(Duration::from_millis(fastrand::u64(1..20))).await;
        }
        Err(unavailable(operation, format!("other members change {key} all the time")))
    }

    /// Removes keys.
    pub(super) async fn remove(&self, operation: &'static str, keys: &[&str]) -> Result<(), StorageError> {
        let bucket = self.bucket(operation).await?;
        for key in keys {
            bucket.purge(key).await.map_err(|error| unavailable(operation, error))?;
        }
        Ok(())
    }

    async fn bucket(&self, operation: &'static str) -> Result<Store, StorageError> {
        self.0.bucket().await.map_err(|error| unavailable(operation, error))
    }
}

/// The revision of a key, and what it holds.
async fn entry<C: DeserializeOwned>(
    bucket: &Store,
    operation: &'static str,
    key: &str,
) -> Result<Option<(u64, C)>, StorageError> {
    let entry = bucket.entry(key).await.map_err(|error| unavailable(operation, error))?;
    // One that was removed leaves an empty message.
    let Some(entry) = entry.filter(|entry| !entry.value.is_empty()) else { return Ok(None) };
    let content = serde_json::from_slice(&entry.value);
    let content = content.map_err(|error| unavailable(operation, format!("cannot read what {key} holds: {error}")))?;
    Ok(Some((entry.revision, content)))
}
