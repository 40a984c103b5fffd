use std::time::Duration;

use async_trait::async_trait;

use super::{Partition, StorageError};

/// A partition of a scope, owned until it is not renewed in time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lease {
    /// What the partitions belong to: `relay`, `group:statistics`.
    pub scope: String,
    /// Which partition.
    pub partition: Partition,
    /// Rises with every change of owner: the fencing token.
    pub epoch: i64,
}

/// A member's share after a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// How many members are alive in the scope, this one included.
    pub members: u32,
    /// The leases this member holds now, by partition.
    pub leases: Vec<Lease>,
}

/// Divides a scope's partitions among the members that are alive.
///
/// Each partition has one owner at a time. An owner that stops renewing may lose it to another member after `ttl` (by the database's
/// clock); as soon as another has it, the old [`Lease`] is fenced, even if its owner wakes up later.
#[async_trait]
pub trait LeaseStore: Send + Sync + 'static {
    /// Says that `member` is alive for the next `ttl`, renews its leases, and takes free or expired partitions up to its fair
    /// share, `partitions / members` rounded up. It never takes away from a living member: one that holds more than its
    /// share finishes what it is doing and gives the surplus back with [`release`](Self::release).
    async fn heartbeat(
        &self,
        scope: &str,
        member: &str,
        partitions: u16,
        ttl: Duration,
    ) -> Result<Membership, StorageError>;

    /// Gives partitions back. Leases that are already lost are skipped.
    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError>;

    /// Gives everything back and leaves the scope, so that others need not wait for the `ttl`.
    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError>;
}
