use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    ports::{Clock, LeaseStore, ScheduledEvents, StorageError},
    sole_lease::SoleLease,
};

/// The scope of the schedulers' lease.
const SCOPE: &str = "scheduler";

/// How a scheduler works.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerOptions {
    /// The most events moved in one transaction.
    pub batch: u32,
    /// How often it looks for events that became due without its knowing: those that were scheduled since it looked last.
    pub poll: Duration,
    /// How long its lease lasts without being renewed: the time until another takes over from one that was killed.
    pub lease_ttl: Duration,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self { batch: 500, poll: Duration::from_millis(200), lease_ttl: Duration::from_secs(4) }
    }
}

/// Moves scheduled events into the outbox when their time has come, until it is stopped.
///
/// Of several schedulers one works at a time, so that events keep the order of their times. It asks for the lease only once
/// something is due: waiting costs a read now and then, and no write.
pub struct Scheduler {
    store: Arc<dyn ScheduledEvents>,
    clock: Arc<dyn Clock>,
    lease: SoleLease,
    options: SchedulerOptions,
}

impl Scheduler {
    /// A scheduler called `member`, a new id for every start.
    pub fn new(
        store: Arc<dyn ScheduledEvents>,
        leases: Arc<dyn LeaseStore>,
        clock: Arc<dyn Clock>,
        member: Uuid,
        options: SchedulerOptions,
    ) -> Self {
        Self { store, clock, lease: SoleLease::new(leases, SCOPE, member, options.lease_ttl), options }
    }

    /// Works until `stop`; then finishes the transaction at hand and gives its lease back. Storage that fails makes it wait and try again.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let wait = match self.turn().await {
                Ok(wait) => {
                    if failures > 0 {
                        tracing::info!("the scheduler works again");
                    }
                    failures = 0;
                    wait
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "the scheduler waits for storage; nothing is lost");
                    }
                    failures = failures.saturating_add(1);
                    self.lease.lost(&error).await;
                    Duration::from_millis(50).saturating_mul(1 << failures.min(5)).mul_f64(0.5 + fastrand::f64() / 2.0)
                }
            };
            if !wait.is_zero() {
                stop.run_until_cancelled(tokio::time::sleep(wait)).await;
            }
        }
        self.lease.leave().await;
    }

    /// Moves what is due, at most a batch of it. Answers how long nothing more will be.
    async fn turn(&self) -> Result<Duration, StorageError> {
        let Some(due) = self.store.next_due().await? else { return Ok(self.options.poll) };
        let now = self.clock.now();
        if due > now {
            let until = Duration::try_from(due.duration_since(now)).unwrap_or(self.options.poll);
            return Ok(until.clamp(Duration::from_millis(1), self.options.poll));
        }
        let Some(lease) = self.lease.hold().await? else { return Ok(self.options.poll) };
        match self.store.release(&lease, now, self.options.batch).await? {
            // What is due waits for another event of its aggregate to be published.
            0 => Ok(self.options.poll),
            moved => {
                tracing::debug!(moved, "scheduled events are due");
                Ok(Duration::ZERO)
            }
        }
    }
}
