use async_trait::async_trait;

use super::MemoryStorage;
use crate::ports::{Lease, OutboxDepth, OutboxEntry, OutboxStore, Partition, StorageError};

impl MemoryStorage {
    fn complete_rows(
        &self,
        operation: &'static str,
        lease: &Lease,
        partition: Partition,
        wanted: impl Fn(i64) -> bool,
        limit: usize,
    ) -> Result<u64, StorageError> {
        let moved = {
            let mut state = self.begin(operation)?;
            state.check_lease(lease, operation)?;
            let of_partition = state.outbox.iter().filter(|(id, row)| row.partition == partition && wanted(**id));
            let rows: Vec<i64> = of_partition.map(|(id, _)| *id).take(limit).collect();
            let events: Vec<_> = rows.iter().filter_map(|id| state.outbox.remove(id)).collect();
            let moved = events.len() as u64;
            for row in events {
                state.publish(partition, row.event);
            }
            moved
        };
        self.ring();
        Ok(moved)
    }
}

#[async_trait]
impl OutboxStore for MemoryStorage {
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError> {
        let state = self.begin("outbox pending")?;
        let later = state.outbox.iter().filter(|(id, row)| row.partition == partition && **id > after);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(later.take(limit).map(|(id, row)| OutboxEntry { id: *id, event: row.event.clone() }).collect())
    }

    async fn complete(&self, lease: &Lease, partition: Partition, rows: &[i64]) -> Result<u64, StorageError> {
        self.complete_rows("outbox complete", lease, partition, |id| rows.contains(&id), usize::MAX)
    }

    async fn complete_oldest(&self, lease: &Lease, partition: Partition, limit: u32) -> Result<u64, StorageError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.complete_rows("outbox complete oldest", lease, partition, |_| true, limit)
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        let state = self.begin("outbox depth")?;
        let oldest = state.outbox.values().map(|row| row.recorded_at).min();
        Ok(OutboxDepth { events: state.outbox.len() as u64, oldest })
    }
}
