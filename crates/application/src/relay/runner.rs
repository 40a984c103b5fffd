use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::owner::{Owned, publish_all};
use crate::ports::{
    EventPublisher, Lease, LeaseStore, OutboxStore, PARTITIONS, Partition, Signal, StorageError, StorageErrorKind,
};

/// The scope of the relays' leases.
const SCOPE: &str = "relay";

/// Where events go.
#[derive(Clone)]
pub enum RelayTarget {
    /// To a broker, and to the journal once it has taken them.
    Broker(Arc<dyn EventPublisher>),
    /// To the journal alone, from which the broker delivers.
    Journal,
}

/// How a relay works.
#[derive(Debug, Clone, Copy)]
pub struct RelayOptions {
    /// The most events read, published or moved in one go: the bound on memory.
    pub batch: u32,
    /// How often it looks for events without being woken: those of other processes.
    pub poll: Duration,
    /// How long its leases last without being renewed: the time until another relay takes over from one that was killed.
    pub lease_ttl: Duration,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self { batch: 500, poll: Duration::from_millis(200), lease_ttl: Duration::from_secs(4) }
    }
}

/// How a relay is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RelayHealth {
    /// Not yet started.
    #[default]
    Starting,
    /// It works, on this many partitions.
    Running {
        /// How many partitions it owns.
        partitions: usize,
    },
    /// Storage fails; it waits and tries again.
    Waiting(String),
    /// It has ended.
    Stopped,
}

/// Publishes what the outbox holds, until it is stopped.
pub struct Relay {
    store: Arc<dyn OutboxStore>,
    leases: Arc<dyn LeaseStore>,
    target: RelayTarget,
    signal: Signal,
    member: String,
    options: RelayOptions,
    health: watch::Sender<RelayHealth>,
}

impl Relay {
    /// A relay called `member`, a new id for every start. `signal` is rung when something was recorded in this process.
    pub fn new(
        store: Arc<dyn OutboxStore>,
        leases: Arc<dyn LeaseStore>,
        target: RelayTarget,
        signal: Signal,
        member: Uuid,
        options: RelayOptions,
    ) -> Self {
        let member = member.to_string();
        Self { store, leases, target, signal, member, options, health: watch::Sender::default() }
    }

    /// How it is doing, now and from now on.
    pub fn health(&self) -> watch::Receiver<RelayHealth> {
        self.health.subscribe()
    }

    /// Works until `stop`; then finishes the batch at hand and gives its leases back. Storage that fails makes it wait and try again.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut signal = self.signal.listen();
        let mut state = State::default();
        let mut failures = 0_u32;
        while !stop.is_cancelled() {
            let wait = match self.turn(&mut state).await {
                Ok(published) => {
                    if failures > 0 {
                        tracing::info!("the relay works again");
                    }
                    failures = 0;
                    self.health.send_replace(RelayHealth::Running { partitions: state.owned.len() });
                    if published > 0 { Duration::ZERO } else { state.patience(self.options) }
                }
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "the relay waits for storage; nothing is lost");
                    }
                    failures = failures.saturating_add(1);
                    if error.kind == StorageErrorKind::Fenced {
                        state = State::default();
                    }
                    self.health.send_replace(RelayHealth::Waiting(error.to_string()));
                    Duration::from_millis(50).saturating_mul(1 << failures.min(5)).mul_f64(0.5 + fastrand::f64() / 2.0)
                }
            };
            if !wait.is_zero() {
                // Woken by a commit while failing, it would hammer a database in trouble.
                let woken =
                    async { if failures == 0 { signal.wait(wait).await } else { tokio::time::sleep(wait).await } };
                stop.run_until_cancelled(woken).await;
            }
        }
        let left = tokio::time::timeout(Duration::from_secs(2), self.leases.leave(SCOPE, &self.member)).await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::warn!("the relay could not give its leases back; they end by themselves");
        }
        self.health.send_replace(RelayHealth::Stopped);
    }

    /// Renews the leases if it is time, and publishes once. Answers how many events were published.
    async fn turn(&self, state: &mut State) -> Result<u64, StorageError> {
        let now = Instant::now();
        if state.renew_at.is_none_or(|at| at <= now) {
            let membership = self.leases.heartbeat(SCOPE, &self.member, PARTITIONS, self.options.lease_ttl).await?;
            let share = usize::from(PARTITIONS).div_ceil(membership.members.max(1) as usize);
            let (keep, surplus) = split(membership.leases, share);
            if !surplus.is_empty() {
                self.leases.release(&self.member, &surplus).await?;
            }
            state.renew(keep);
            state.renew_at = Some(now + self.options.lease_ttl / 3);
        }
        // A read first: looking in vain must not cost a write.
        let waiting = self.store.waiting().await?;
        let owned = state.owned.iter_mut().filter(|(partition, _)| waiting.contains(partition)).map(|(_, owned)| owned);
        match &self.target {
            RelayTarget::Journal => {
                let leases: Vec<Lease> = owned.map(|owned| owned.lease.clone()).collect();
                if leases.is_empty() { Ok(0) } else { self.store.complete_oldest(&leases, self.options.batch).await }
            }
            RelayTarget::Broker(publisher) => {
                publish_all(owned.collect(), &self.store, publisher, self.options.batch).await
            }
        }
    }
}

/// What a relay owns, and when to say that it is alive. Owning is what it believes; the store knows, and refuses a lease that
/// was lost.
#[derive(Default)]
struct State {
    owned: BTreeMap<Partition, Owned>,
    renew_at: Option<Instant>,
}

impl State {
    /// Takes over the leases of a heartbeat; what fails in partitions that were owned before is kept.
    fn renew(&mut self, leases: Vec<Lease>) {
        let mut before = std::mem::take(&mut self.owned);
        for lease in leases {
            let kept = before.remove(&lease.partition).filter(|owned| owned.lease == lease);
            self.owned.insert(lease.partition, kept.unwrap_or_else(|| Owned::new(lease)));
        }
    }

    /// How long to wait when nothing was published: until the poll, the next heartbeat or the next attempt, whichever is first.
    fn patience(&self, options: RelayOptions) -> Duration {
        let now = Instant::now();
        let attempts = self.owned.values().filter_map(|o| o.failing.next_attempt());
        let until = attempts.chain(self.renew_at).map(|at| at.saturating_duration_since(now)).min();
        until.unwrap_or(options.poll).min(options.poll).max(Duration::from_millis(1))
    }
}

/// The leases to keep and those above the fair share, which go to a relay that has joined.
fn split(mut leases: Vec<Lease>, share: usize) -> (Vec<Lease>, Vec<Lease>) {
    let surplus = leases.split_off(leases.len().min(share));
    (leases, surplus)
}
