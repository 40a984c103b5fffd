use async_trait::async_trait;
use tokio::time::Instant;

use super::MemoryStorage;
use crate::ports::{GroupPositions, JournalCursor, Lease, StorageError};

#[async_trait]
impl GroupPositions for MemoryStorage {
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError> {
        let mut state = self.begin("positions join")?;
        Ok(state.groups.entry(group.to_owned()).or_insert_with(|| start.clone()).clone())
    }

    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError> {
        Ok(self.begin("positions read")?.groups.get(group).cloned().unwrap_or_default())
    }

    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError> {
        const OPERATION: &str = "positions advance";
        let mut state = self.begin(OPERATION)?;
        for (lease, _) in to {
            state.check_lease(lease, OPERATION)?;
        }
        let positions = state.groups.entry(group.to_owned()).or_default();
        for (lease, position) in to {
            if let Some(at) = positions.0.get_mut(usize::from(lease.partition.0)) {
                *at = (*at).max(*position);
            }
        }
        Ok(())
    }

    async fn is_known(&self, group: &str) -> Result<bool, StorageError> {
        Ok(self.begin("group look-up")?.groups.contains_key(group))
    }

    async fn remove(&self, group: &str) -> Result<bool, StorageError> {
        let (now, scope) = (Instant::now(), format!("group:{group}"));
        let mut state = self.begin("group remove")?;
        if state.members.iter().any(|((of, _), expires)| *of == scope && *expires > now) {
            return Ok(false);
        }
        state.groups.remove(group);
        state.members.retain(|(of, _), _| *of != scope);
        state.leases.retain(|(of, _), _| *of != scope);
        Ok(true)
    }
}
