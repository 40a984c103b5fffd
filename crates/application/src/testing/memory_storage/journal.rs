use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

use super::MemoryStorage;
use crate::ports::{JOURNAL_PAGE_MAX, Journal, JournalCursor, JournalEntry, Partition, StorageError, partition_of};

fn limit(limit: u32) -> usize {
    usize::try_from(limit.min(JOURNAL_PAGE_MAX)).unwrap_or(0)
}

fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

#[async_trait]
impl Journal for MemoryStorage {
    async fn read(&self, partition: Partition, position: u64, most: u32) -> Result<Vec<JournalEntry>, StorageError> {
        let mut state = self.begin("journal read")?;
        let entries = state.journal.get(&partition).map(Vec::as_slice).unwrap_or_default();
        let page: Vec<_> = entries
            .iter()
            .skip(index(position.saturating_sub(state.pruned(partition))))
            .take(limit(most))
            .cloned()
            .collect();
        state.entries_read += page.len() as u64;
        Ok(page)
    }

    async fn read_all(&self, cursor: &JournalCursor, most: u32) -> Result<Vec<JournalEntry>, StorageError> {
        let state = self.begin("journal read all")?;
        let mut entries: Vec<&JournalEntry> = Vec::new();
        for (partition, of) in &state.journal {
            let seen = cursor.0.get(usize::from(partition.0)).copied().unwrap_or(0);
            entries.extend(of.iter().skip(index(seen.saturating_sub(state.pruned(*partition)))).take(limit(most)));
        }
        entries.sort_by_key(|e| (e.published_at, e.partition, e.position));
        Ok(entries.into_iter().take(limit(most)).cloned().collect())
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        let state = self.begin("journal heads")?;
        let mut heads = JournalCursor::default();
        for (partition, entries) in &state.journal {
            if let Some(head) = heads.0.get_mut(usize::from(partition.0)) {
                *head = state.pruned(*partition) + entries.len() as u64;
            }
        }
        Ok(heads)
    }

    async fn append(&self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        {
            let mut state = self.begin("journal append")?;
            for event in events {
                state.publish(partition_of(&event.partition_key), event.clone());
            }
        }
        self.ring();
        Ok(())
    }
}
