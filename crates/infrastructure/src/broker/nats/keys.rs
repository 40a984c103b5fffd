use std::{error::Error, time::Duration};

use activelog_application::ports::StorageError;
use async_nats::jetstream::{
    self, ErrorCode,
    kv::{CreateErrorKind, Store},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{connection::Connection, error::unavailable};

/// How often a change is tried again that another member was faster with.
const TRIES: u32 = 30;

/// The bucket's keys: each holds JSON, and is changed from the revision that was read.
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
                    Err(error) if was_slower(&error) => false,
                    Err(error) => return Err(unavailable(operation, error)),
                },
                None => match bucket.create(key, text).await {
                    Ok(_) => true,
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists || was_slower(&error) => false,
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

/// Whether a change was refused because somebody else has made one. A server with replicas has a second code for it, while that one is still on its way to them, which the
/// driver takes for any other failure.
fn was_slower(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(answer) = error.downcast_ref::<jetstream::Error>() {
            let code = answer.error_code();
            return [ErrorCode::STREAM_WRONG_LAST_SEQUENCE, ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT]
                .contains(&code);
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::{
        context::{PublishError, PublishErrorKind},
        kv::{CreateError, UpdateError},
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_that_came_too_late_is_told_from_one_that_failed() {
        for (code, slower) in [(10071, true), (10164, true), (10077, false)] {
            let refused = json!({ "code": 400, "err_code": code, "description": "refused" });
            let refused: jetstream::Error = serde_json::from_value(refused).expect("an error of the server");
            let kind = match code {
                10071 => PublishErrorKind::WrongLastSequence,
                _ => PublishErrorKind::Other,
            };
            let update = UpdateError::from(PublishError::with_source(kind, refused));
            assert_eq!(was_slower(&update), slower, "{code}");
            assert_eq!(was_slower(&CreateError::from(update)), slower, "{code}");
        }
    }
}
