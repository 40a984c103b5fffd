use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{MemoryStorage, storage::LeaseRow};
use crate::ports::{Lease, LeaseStore, Membership, Partition, StorageError};

#[async_trait]
impl LeaseStore for MemoryStorage {
    async fn heartbeat(
        &self,
        scope: &str,
        member: &str,
        partitions: u16,
        ttl: Duration,
    ) -> Result<Membership, StorageError> {
        let now = Instant::now();
        let mut state = self.begin_for(member, "lease heartbeat")?;
        state.members.retain(|_, expires| *expires > now);
        state.members.insert((scope.to_owned(), member.to_owned()), now + ttl);
        let members = state.members.keys().filter(|(of, _)| of == scope).count();
        let share = usize::from(partitions).div_ceil(members);
        for partition in (0..partitions).map(Partition) {
            state.leases.entry((scope.to_owned(), partition)).or_insert(LeaseRow {
                owner: None,
                epoch: 0,
                expires: now,
            });
        }
        let mut leases = Vec::new();
        let in_scope = |row: &(&(String, Partition), &mut LeaseRow)| row.0.0 == scope;
        for ((_, partition), row) in state.leases.iter_mut().filter(in_scope) {
            if row.owner.as_deref() == Some(member) {
                row.expires = now + ttl;
                leases.push(Lease { scope: scope.to_owned(), partition: *partition, epoch: row.epoch });
            }
        }
        for ((_, partition), row) in state.leases.iter_mut().filter(in_scope) {
            let free = row.owner.is_none() || row.expires <= now;
            if free && leases.len() < share {
                *row = LeaseRow { owner: Some(member.to_owned()), epoch: row.epoch + 1, expires: now + ttl };
                leases.push(Lease { scope: scope.to_owned(), partition: *partition, epoch: row.epoch });
            }
        }
        leases.sort_by_key(|lease| lease.partition);
        Ok(Membership { members: u32::try_from(members).unwrap_or(u32::MAX), leases })
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        let mut state = self.begin_for(member, "lease release")?;
        for lease in leases {
            let row = state.leases.get_mut(&(lease.scope.clone(), lease.partition));
            if let Some(row) = row.filter(|r| r.epoch == lease.epoch && r.owner.as_deref() == Some(member)) {
                row.owner = None;
            }
        }
        Ok(())
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        let mut state = self.begin_for(member, "lease leave")?;
        state.members.remove(&(scope.to_owned(), member.to_owned()));
        let rows = state.leases.iter_mut().filter(|((of, _), _)| of == scope).map(|(_, row)| row);
        for row in rows.filter(|row| row.owner.as_deref() == Some(member)) {
            row.owner = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{GroupPositions, JournalCursor, StorageErrorKind};

    const TTL: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_silent_member_loses_its_partitions_and_is_fenced() -> Result<(), StorageError> {
        let storage = MemoryStorage::new();
        let first = storage.heartbeat("group:g", "a", 16, TTL).await?;
        assert_eq!((first.members, first.leases.len()), (1, 16));
        let second = storage.heartbeat("group:g", "b", 16, TTL).await?;
        assert_eq!((second.members, second.leases.len()), (2, 0));
        tokio::time::advance(TTL).await;
        let second = storage.heartbeat("group:g", "b", 16, TTL).await?;
        assert_eq!((second.members, second.leases.len()), (1, 16));
        let fenced = storage.advance("g", &[(first.leases[0].clone(), 1)]).await;
        assert_eq!(fenced.err().map(|e| e.kind), Some(StorageErrorKind::Fenced));
        assert_eq!(storage.positions("g").await?, JournalCursor::default());
        Ok(())
    }

    #[tokio::test]
    async fn what_is_released_goes_to_who_lacks_a_share() -> Result<(), StorageError> {
        let storage = MemoryStorage::new();
        let first = storage.heartbeat("relay", "a", 16, TTL).await?;
        storage.heartbeat("relay", "b", 16, TTL).await?;
        storage.release("a", &first.leases[8..]).await?;
        assert_eq!(storage.heartbeat("relay", "b", 16, TTL).await?.leases.len(), 8);
        assert_eq!(storage.heartbeat("relay", "a", 16, TTL).await?.leases.len(), 8);
        storage.leave("relay", "b").await?;
        assert_eq!(storage.heartbeat("relay", "a", 16, TTL).await?.leases.len(), 16);
        Ok(())
    }
}
