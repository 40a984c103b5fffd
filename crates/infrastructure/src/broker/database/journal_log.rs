use std::{sync::Arc, time::Duration};

use activelog_application::ports::{Clock, Journal, JournalCursor, Lag, PARTITIONS, Partition, StorageError};
use async_trait::async_trait;
use futures::future::try_join_all;

use crate::{
    broker::partitioned::{LogEntry, Page, PagesRead, PartitionLog},
    clock::SystemClock,
};

/// The journal as a log to read.
pub(super) struct JournalLog(pub(super) Arc<dyn Journal>);

#[async_trait]
impl PartitionLog for JournalLog {
    async fn read(&self, pages: &[Page]) -> Result<PagesRead, StorageError> {
        let mut read = Vec::with_capacity(pages.len());
        for page in pages {
            let entries = self.0.read(page.partition, page.after, page.limit).await?.into_iter();
            let entries =
                entries.map(|entry| LogEntry { position: entry.position, event: Some(Arc::new(entry.event)) });
            read.push((*page, entries.collect()));
        }
        Ok(read)
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        self.0.heads().await
    }

    /// How old the oldest event is, since it was published, by this machine's clock.
    async fn lag(&self, positions: &JournalCursor) -> Result<Lag, StorageError> {
        let heads = self.heads().await?;
        let places = (0..PARTITIONS).map(Partition).zip(positions.0).zip(heads.0);
        let behind: Vec<_> = places.filter(|((_, position), head)| head > position).collect();
        let events = behind.iter().map(|((_, position), head)| head - position).sum();
        let firsts = behind.into_iter().map(|((partition, position), _)| self.0.read(partition, position, 1));
        let firsts = try_join_all(firsts).await?;
        let oldest = firsts.iter().flatten().map(|entry| entry.published_at).min();
        let age = oldest.map(|oldest| Duration::try_from(SystemClock.now().duration_since(oldest)).unwrap_or_default());
        Ok(Lag { events, age })
    }
}
