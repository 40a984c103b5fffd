use std::{any::Any, sync::Arc, time::Duration};

use activelog_domain::{activity::Activity, event::EventEnvelope};
use async_trait::async_trait;
use futures::future::BoxFuture;
use tokio::time::Instant;

use super::case::{Checked, Failure};
use crate::{
    activity::ports::{Queries, Repositories},
    ports::{
        CommitError, CrashMarks, DeadLetters, GroupPositions, Isolation, Journal, JournalCursor, JournalEntry, Lease,
        LeaseStore, Membership, OutboxStore, PARTITIONS, ParkingStore, Replays, Retention, ScheduledEvents,
        StorageError, StorageErrorKind, TransactionOptions, UnitOfWorkFactory,
    },
    webhook::ports::WebhookStore,
};

/// Makes storages for cases.
#[async_trait]
pub trait StorageFixture: Send + Sync + 'static {
    /// A storage that nothing has been written to and that no other case sees. The error says why there is none.
    async fn fresh(&self) -> Result<Storage, String>;
}

/// How a storage tells that a lease has ended.
#[derive(Clone)]
pub enum LeaseTime {
    /// By a clock that goes by itself: cases use short times to live and wait.
    Real,
    /// By a clock that this moves on.
    Manual(Arc<dyn Fn(Duration) + Send + Sync>),
}

/// One storage: every port on the same data. Clones share it.
#[derive(Clone)]
pub struct Storage {
    /// Units of work.
    pub factory: Arc<dyn UnitOfWorkFactory<dyn Repositories>>,
    /// The relay's side of the outbox.
    pub outbox: Arc<dyn OutboxStore>,
    /// The journal.
    pub journal: Arc<dyn Journal>,
    /// Positions of consumer groups.
    pub positions: Arc<dyn GroupPositions>,
    /// Leases.
    pub leases: Arc<dyn LeaseStore>,
    /// Parked events.
    pub parking: Arc<dyn ParkingStore>,
    /// Dead letters.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Crash marks and runs of workers.
    pub crash_marks: Arc<dyn CrashMarks>,
    /// Replays of the journal.
    pub replays: Arc<dyn Replays>,
    /// Events that wait for their time.
    pub scheduled: Arc<dyn ScheduledEvents>,
    /// What removes the old.
    pub retention: Arc<dyn Retention>,
    /// Webhooks outside of transactions.
    pub webhooks: Arc<dyn WebhookStore>,
    /// Reads outside of transactions.
    pub queries: Arc<dyn Queries>,
    /// How time passes for leases.
    pub lease_time: LeaseTime,
    /// What has to live as long as the storage: a folder, a server.
    pub keep: Arc<dyn Any + Send + Sync>,
}

/// A time to live that does not end during a case.
pub(super) const LONG: Duration = Duration::from_secs(600);

/// A time to live that a case waits for.
pub(super) const SHORT: Duration = Duration::from_millis(400);

/// How long a transaction may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

impl Storage {
    pub(super) async fn begin(&self) -> Result<Box<dyn Repositories>, StorageError> {
        self.begin_within(PATIENCE).await
    }

    pub(super) async fn begin_deferring(&self) -> Result<Box<dyn Repositories>, StorageError> {
        let options = TransactionOptions::new(Isolation::ReadCommitted, PATIENCE);
        self.factory.begin(TransactionOptions { defer_writes: true, ..options }).await
    }

    pub(super) async fn begin_within(&self, deadline: Duration) -> Result<Box<dyn Repositories>, StorageError> {
        self.factory.begin(TransactionOptions::new(Isolation::ReadCommitted, deadline)).await
    }

    /// Does `work` in a transaction and commits it, again when others were in the way.
    pub(super) async fn transact<T>(
        &self,
        work: impl for<'a> Fn(&'a mut dyn Repositories) -> BoxFuture<'a, Result<T, StorageError>>,
    ) -> Checked<T> {
        for _ in 0..1_000 {
            let outcome = async {
                let mut uow = self.begin().await.map_err(CommitError::RolledBack)?;
                match work(&mut *uow).await {
                    Ok(value) => uow.commit().await.map(|()| value),
                    Err(error) => {
                        uow.rollback().await;
                        Err(CommitError::RolledBack(error))
                    }
                }
            };
            match outcome.await {
                Err(CommitError::RolledBack(error)) if error.kind == StorageErrorKind::Contention => {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..5))).await;
                }
                outcome => return Ok(outcome?),
            }
        }
        Err(Failure("others were in the way a thousand times".into()))
    }

    /// Commits these events.
    pub(super) async fn record(&self, events: &[EventEnvelope]) -> Checked {
        let events = Arc::new(events.to_vec());
        self.transact(move |uow| {
            let events = events.clone();
            Box::pin(async move { uow.outbox().append(&events).await })
        })
        .await
    }

    /// Commits these activities.
    pub(super) async fn insert(&self, activities: &[Activity]) -> Checked {
        let activities = Arc::new(activities.to_vec());
        self.transact(move |uow| {
            let activities = activities.clone();
            Box::pin(async move {
                for activity in activities.iter() {
                    uow.activities().insert(activity).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The leases of all partitions, for one member of the scope that stays alive.
    pub(super) async fn all_leases(&self, scope: &str, member: &str) -> Checked<Vec<Lease>> {
        let leases = self.leases.heartbeat(scope, member, PARTITIONS, LONG).await?.leases;
        ensure_eq!(leases.len(), usize::from(PARTITIONS), "leases of the only member of {scope}");
        Ok(leases)
    }

    /// Has `member` take all partitions of the scope from others who have been silent since a heartbeat with [`SHORT`].
    pub(super) async fn take_over(&self, scope: &str, member: &str) -> Checked<Membership> {
        if let LeaseTime::Manual(advance) = &self.lease_time {
            advance(SHORT + Duration::from_millis(1));
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let membership = self.leases.heartbeat(scope, member, PARTITIONS, LONG).await?;
            if membership.leases.len() == usize::from(PARTITIONS) {
                return Ok(membership);
            }
            ensure!(Instant::now() < deadline, "silent members keep their partitions: {membership:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything in the journal, by partition and position.
    pub(super) async fn whole_journal(&self) -> Checked<Vec<JournalEntry>> {
        let (mut cursor, mut all) = (JournalCursor::default(), Vec::new());
        loop {
            let entries = self.journal.read_all(&cursor, 100).await?;
            if entries.is_empty() {
                all.sort_by_key(|entry: &JournalEntry| (entry.partition, entry.position));
                return Ok(all);
            }
            for entry in entries {
                advance(&mut cursor, &entry)?;
                all.push(entry);
            }
        }
    }
}

/// Moves a cursor over an entry, which has to be the next one of its partition.
pub(super) fn advance(cursor: &mut JournalCursor, entry: &JournalEntry) -> Checked {
    let seen = cursor.0.get_mut(usize::from(entry.partition.0));
    let seen = seen.ok_or_else(|| format!("there is no {:?}", entry.partition))?;
    ensure_eq!(entry.position, *seen + 1, "the next position of {:?}", entry.partition);
    *seen = entry.position;
    Ok(())
}
