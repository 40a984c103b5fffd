use std::sync::Arc;

use activelog_application::ports::{Journal, JournalCursor, Partition, StorageError};
use async_trait::async_trait;

use crate::broker::partitioned::{LogEntry, PartitionLog};

/// The journal as a log to read.
pub(super) struct JournalLog(pub(super) Arc<dyn Journal>);

#[async_trait]
impl PartitionLog for JournalLog {
    async fn read(&self, partition: Partition, position: u64, limit: u32) -> Result<Vec<LogEntry>, StorageError> {
        let entries = self.0.read(partition, position, limit).await?;
        Ok(entries.into_iter().map(|entry| LogEntry { position: entry.position, event: Some(entry.event) }).collect())
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        self.0.heads().await
    }
}
