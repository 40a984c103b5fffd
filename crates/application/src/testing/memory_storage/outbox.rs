use std::collections::BTreeSet;

use async_trait::async_trait;

use super::MemoryStorage;
use crate::ports::{Lease, OutboxDepth, OutboxEntry, OutboxStore, Partition, StorageError};

impl MemoryStorage {
    /// Moves rows of the leases' partitions to the journal, oldest first.
    fn complete_rows(
        &self,
        operation: &'static str,
        leases: &[Lease],
        wanted: impl Fn(i64) -> bool,
        limit: usize,
    ) -> Result<u64, StorageError> {
        let moved = {
            let mut state = self.begin(operation)?;
            for lease in leases {
                state.check_lease(lease, operation)?;
            }
            let owned: BTreeSet<Partition> = leases.iter().map(|lease| lease.partition).collect();
            let ours = state.outbox.iter().filter(|(id, row)| owned.contains(&row.partition) && wanted(**id));
            let ids: Vec<i64> = ours.map(|(id, _)| *id).take(limit).collect();
            let rows: Vec<_> = ids.iter().filter_map(|id| state.outbox.remove(id)).collect();
            let moved = rows.len() as u64;
            for row in rows {
                state.publish(row.partition, row.event);
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

    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError> {
        self.complete_rows("outbox complete", std::slice::from_ref(lease), |id| rows.contains(&id), usize::MAX)
    }

    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.complete_rows("outbox complete oldest", leases, |_| true, limit)
    }

    async fn waiting(&self) -> Result<Vec<Partition>, StorageError> {
        let state = self.begin("outbox waiting")?;
        let partitions: BTreeSet<Partition> = state.outbox.values().map(|row| row.partition).collect();
        Ok(partitions.into_iter().collect())
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        let state = self.begin("outbox depth")?;
        let oldest = state.outbox.values().map(|row| row.recorded_at).min();
        Ok(OutboxDepth { events: state.outbox.len() as u64, oldest })
    }

    async fn depth_within(&self, bound: u32, spared: u32) -> Result<OutboxDepth, StorageError> {
        let state = self.begin("outbox depth within")?;
        let spared = usize::try_from(spared).unwrap_or(usize::MAX);
        let oldest = state.outbox.values().nth(spared).map(|row| row.recorded_at);
        Ok(OutboxDepth { events: (state.outbox.len() as u64).min(bound.into()), oldest })
    }
}
