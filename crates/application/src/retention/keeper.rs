use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{RetentionPolicy, Swept, sweep::Sweep};
use crate::{
    ports::{Clock, DeadLetters, GroupPositions, JournalCursor, LeaseStore, Retention, StorageError},
    sole_lease::SoleLease,
};

/// The scope of the keepers' lease.
const SCOPE: &str = "retention";

/// How long a lease lasts. Nobody waits for a sweep, so it is renewed seldom.
const LEASE_TTL: Duration = Duration::from_secs(60);

/// How a keeper works.
#[derive(Debug, Clone, Copy)]
pub struct KeeperOptions {
    /// How often it looks for what can go.
    pub interval: Duration,
    /// The most rows removed in one transaction.
    pub batch: u32,
    /// The pause between two transactions.
    pub pause: Duration,
}

impl Default for KeeperOptions {
    fn default() -> Self {
        Self { interval: Duration::from_secs(300), batch: 1_000, pause: Duration::from_millis(50) }
    }
}

/// What a keeper works on.
#[derive(Clone)]
pub struct KeeperStores {
    /// What is removed from.
    pub retention: Arc<dyn Retention>,
    /// The group that reads the journal, where it is read by groups. What it has not acknowledged stays, also when it has never been there: its worker
    /// may be started later than what it is to handle was published.
    pub group: Option<JournalGroup>,
    /// The dead letters.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Who of several keepers works.
    pub leases: Arc<dyn LeaseStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A consumer group of the journal.
#[derive(Clone)]
pub struct JournalGroup {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub positions: Arc<dyn GroupPositions>,
}

/// Removes what is older than its policy says, until it is stopped.
pub struct Keeper {
    stores: KeeperStores,
    lease: SoleLease,
    policy: RetentionPolicy,
    options: KeeperOptions,
    swept: watch::Sender<Option<Swept>>,
}

impl Keeper {
    /// A keeper called `member`, a new id for every start.
    pub fn new(stores: KeeperStores, member: Uuid, policy: RetentionPolicy, options: KeeperOptions) -> Self {
        let lease = SoleLease::new(stores.leases.clone(), SCOPE, member, LEASE_TTL);
        Self { stores, lease, policy, options, swept: watch::Sender::default() }
    }

    /// What its last whole sweep has removed; `None` before the first.
    pub fn swept(&self) -> watch::Receiver<Option<Swept>> {
        self.swept.subscribe()
    }

    /// Works until `stop`; then finishes the transaction at hand and gives its lease back. Storage that fails ends a sweep; the next
    /// one goes on.
    pub async fn run(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.sweep(stop).await {
                Ok(Some(swept)) => {
                    if swept.total() > 0 {
                        tell(&swept);
                    }
                    self.swept.send_replace(Some(swept));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "what is old could not be removed; it is tried again");
                    self.lease.lost(&error).await;
                }
            }
            self.wait(stop).await;
        }
        self.lease.leave().await;
    }

    /// One sweep through everything, if this keeper is the one that works and is not stopped in the middle of it.
    async fn sweep(&self, stop: &CancellationToken) -> Result<Option<Swept>, StorageError> {
        if self.lease.hold().await?.is_none() {
            return Ok(None);
        }
        if let Some(group) = &self.stores.group {
            group.positions.join(&group.name, &JournalCursor::default()).await?;
        }
        Sweep::new(&self.stores, &self.policy, &self.options, &self.lease, stop).run().await
    }

    /// Waits for the next sweep, and stays the one that works meanwhile.
    async fn wait(&self, stop: &CancellationToken) {
        let until = Instant::now() + self.options.interval;
        while Instant::now() < until && !stop.is_cancelled() {
            let pause = until.saturating_duration_since(Instant::now()).min(LEASE_TTL / 3);
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            if let Err(error) = self.lease.hold().await {
                tracing::debug!(%error, "the keeper's lease could not be renewed");
            }
        }
    }
}

fn tell(swept: &Swept) {
    tracing::info!(
        inbox = swept.inbox,
        journal = swept.journal,
        idempotency_keys = swept.idempotency_keys,
        dead_letters = swept.dead_letters,
        crash_marks = swept.crash_marks,
        worker_runs = swept.worker_runs,
        "removed what is older than it is kept"
    );
}
