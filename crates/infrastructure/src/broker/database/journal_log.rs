use std::sync::Arc;

use activelog_application::ports::{Journal, JournalCursor, StorageError};
use async_trait::async_trait;

use crate::broker::partitioned::{LogEntry, Page, PagesRead, PartitionLog};

/// The journal as a log to read.
pub(super) struct JournalLog(pub(super) Arc<dyn Journal>);

#[async_trait]
impl PartitionLog for JournalLog {
    async fn read(&self, pages: &[Page]) -> Result<PagesRead, StorageError> {
        let mut read = Vec::with_capacity(pages.len());
        for page in pages {
            let entries = self.0.read(page.partition, page.after, page.limit).await?.into_iter();
            let entries = entries.map(|entry| LogEntry { position: entry.position, event: Some(entry.event) });
            read.push((*page, entries.collect()));
        }
        Ok(read)
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        self.0.heads().await
    }
}
