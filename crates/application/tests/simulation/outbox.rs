//! The relay's side of the storage, as a process reaches it.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use activelog_application::ports::*;
use async_trait::async_trait;

use crate::{
    process::{Process, step},
    run::Defect,
};

pub(crate) struct ProcessOutbox {
    process: Arc<Process>,
    /// What it holds, for a relay that moves events before they are published.
    leases: Mutex<Vec<Lease>>,
}

impl ProcessOutbox {
    pub(crate) fn new(process: &Arc<Process>) -> Self {
        Self { process: process.clone(), leases: Mutex::default() }
    }

    fn leases(&self) -> MutexGuard<'_, Vec<Lease>> {
        self.leases.lock().expect("not poisoned")
    }
}

#[async_trait]
impl OutboxStore for ProcessOutbox {
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError> {
        let store = &self.process.world.outbox;
        let page = step!(self.process, "pending", store.pending(partition, after, limit))?;
        if self.process.world.defect == Defect::CompleteFirst {
            let rows: Vec<i64> = page.iter().map(|entry| entry.id).collect();
            let leases = self.leases().clone();
            for lease in leases.iter().filter(|lease| lease.partition == partition) {
                store.complete(lease, &rows).await?;
            }
        }
        Ok(page)
    }

    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError> {
        step!(self.process, "complete", self.process.world.outbox.complete(lease, rows))
    }

    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError> {
        step!(self.process, "complete oldest", self.process.world.outbox.complete_oldest(leases, limit))
    }

    async fn waiting(&self) -> Result<Vec<Partition>, StorageError> {
        step!(self.process, "waiting", self.process.world.outbox.waiting())
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        self.process.world.outbox.depth().await
    }

    async fn depth_within(&self, bound: u32, spared: u32) -> Result<OutboxDepth, StorageError> {
        self.process.world.outbox.depth_within(bound, spared).await
    }
}

#[async_trait]
impl LeaseStore for ProcessOutbox {
    async fn heartbeat(
        &self,
        scope: &str,
        member: &str,
        partitions: u16,
        ttl: Duration,
    ) -> Result<Membership, StorageError> {
        let outbox = &self.process.world.outbox;
        let membership = step!(self.process, "heartbeat", outbox.heartbeat(scope, member, partitions, ttl))?;
        self.leases().clone_from(&membership.leases);
        Ok(membership)
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        step!(self.process, "release", LeaseStore::release(&self.process.world.outbox, member, leases))
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        step!(self.process, "leave", self.process.world.outbox.leave(scope, member))
    }
}
