use std::time::Duration;

use activelog_application::ports::{Lease, Membership, PARTITIONS, StorageError};
use tokio::time::{Instant, sleep};

use super::{driver::Driver, outage::Outage};

/// The shortest time between two heartbeats, however often members come and go.
const PAUSE: Duration = Duration::from_millis(20);

impl Driver {
    /// Renews the leases, takes partitions that are free and gives back those that are more than a fair share.
    pub(super) async fn keep_membership(&self) {
        let mut outage = self.outage("renewing leases");
        let mut members = self.members.listen();
        let interval = self.log.options.lease_ttl / 3;
        let mut joined = false;
        loop {
            let wait = match self.heartbeat().await {
                Ok(drain_until) => {
                    outage.worked();
                    if !joined {
                        joined = true;
                        self.members.ring();
                    }
                    drain_until.map_or(interval, |until| interval.min(until.saturating_duration_since(Instant::now())))
                }
                Err(error) => outage.failed(&error).min(interval),
            };
            self.release_drained(&mut outage).await;
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = members.wait(wait) => {}
                () = self.shared.ownership.notified() => {}
            }
            self.release_drained(&mut outage).await;
            tokio::select! {
                () = self.shared.stop.cancelled() => return,
                () = sleep(PAUSE) => {}
            }
        }
    }

    /// Says that this member lives, and takes over what that changes. When the first partition on its way out is due.
    async fn heartbeat(&self) -> Result<Option<Instant>, StorageError> {
        let ttl = self.log.options.lease_ttl;
        // Measured from before the call: the storage may have counted from any moment since.
        let leased_until = Instant::now() + ttl;
        let Membership { members, leases } =
            self.log.leases.heartbeat(&self.scope, &self.member, PARTITIONS, ttl).await?;
        let (gained, lost) = self.shared.lock().reconcile(&leases, leased_until);
        if !lost.is_empty() {
            let partitions = lost.len();
            tracing::warn!(
                group = self.group(),
                partitions,
                "lost partitions; their unsettled events are delivered elsewhere"
            );
        }
        if !lost.is_empty() {
            self.shared.room.notify_one();
        }
        drop(lost);
        self.take_over(gained).await?;
        let share = usize::from(PARTITIONS).div_ceil(usize::try_from(members.max(1)).unwrap_or(1));
        let until = Instant::now() + self.log.options.drain_timeout;
        let first_due = self.shared.lock().drain_surplus(share, until);
        self.shared.deliverable.notify_one();
        Ok(first_due)
    }

    /// Starts reading partitions where the group stands: read after the lease was won, when no earlier owner can move it.
    async fn take_over(&self, gained: Vec<Lease>) -> Result<(), StorageError> {
        if gained.is_empty() {
            return Ok(());
        }
        let positions = self.log.positions.positions(self.group()).await?;
        tracing::debug!(group = self.group(), member = self.member, partitions = gained.len(), "took over partitions");
        self.shared.lock().own(gained, &positions);
        self.shared.gained.notify_one();
        self.shared.room.notify_one();
        Ok(())
    }

    /// Gives back the partitions that have drained.
    async fn release_drained(&self, outage: &mut Outage) {
        let drained = self.shared.lock().take_drained(Instant::now());
        if drained.is_empty() {
            return;
        }
        let leases: Vec<Lease> = drained.iter().map(|owned| owned.lease.clone()).collect();
        drop(drained);
        self.shared.room.notify_one();
        match self.log.leases.release(&self.member, &leases).await {
            // Still ours, then: the next heartbeat brings them back and they drain again.
            Err(error) => drop(outage.failed(&error)),
            Ok(()) => self.members.ring(),
        }
    }
}
