//! The defects of stores outside of units of work, one type each.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use activelog_application::{
    activity::ports::{ActivityFilter, KeysetPage, Queries},
    ports::{
        GroupPositions, Journal, JournalCursor, JournalEntry, Lease, LeaseStore, Membership, OutboxDepth, OutboxEntry,
        OutboxStore, Partition, StorageError,
    },
    testing::memory_storage::MemoryStorage,
};
use activelog_domain::{
    achievement::Earned,
    activity::Activity,
    event::EventEnvelope,
    leaderboard::{Board, Standing},
    notification::Notification,
    statistics::{Figures, Period, PeriodStatistics},
    user::UserId,
};
use async_trait::async_trait;
use uuid::Uuid;

/// Moves events whoever has the lease: it remembers the newest lease of each partition and uses that.
#[derive(Clone)]
pub(crate) struct Unfenced {
    pub(crate) inner: MemoryStorage,
    newest: Arc<Mutex<HashMap<(String, Partition), Lease>>>,
}

impl Unfenced {
    pub(crate) fn new(inner: MemoryStorage) -> Self {
        Self { inner, newest: Arc::default() }
    }

    fn renewed(&self, leases: &[Lease]) -> Vec<Lease> {
        let newest = self.newest.lock().expect("not poisoned");
        leases.iter().map(|l| newest.get(&(l.scope.clone(), l.partition)).unwrap_or(l).clone()).collect()
    }
}

#[async_trait]
impl LeaseStore for Unfenced {
    async fn heartbeat(&self, scope: &str, member: &str, of: u16, ttl: Duration) -> Result<Membership, StorageError> {
        let membership = self.inner.heartbeat(scope, member, of, ttl).await?;
        let mut newest = self.newest.lock().expect("not poisoned");
        newest.extend(membership.leases.iter().map(|l| ((l.scope.clone(), l.partition), l.clone())));
        Ok(membership)
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        self.inner.release(member, leases).await
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        self.inner.leave(scope, member).await
    }
}

#[async_trait]
impl OutboxStore for Unfenced {
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError> {
        self.inner.pending(partition, after, limit).await
    }

    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError> {
        self.inner.complete(&self.renewed(std::slice::from_ref(lease))[0], rows).await
    }

    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError> {
        self.inner.complete_oldest(&self.renewed(leases), limit).await
    }

    async fn waiting(&self) -> Result<Vec<Partition>, StorageError> {
        self.inner.waiting().await
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        self.inner.depth().await
    }

    async fn depth_within(&self, bound: u32, spared: u32) -> Result<OutboxDepth, StorageError> {
        self.inner.depth_within(bound, spared).await
    }
}

/// Skips leases that are lost instead of refusing the whole, and counts the limit for each lease anew.
pub(crate) struct CompleteFirstOfMany(pub(crate) MemoryStorage);

#[async_trait]
impl OutboxStore for CompleteFirstOfMany {
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError> {
        self.0.pending(partition, after, limit).await
    }

    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError> {
        self.0.complete(lease, rows).await
    }

    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError> {
        let mut moved = 0;
        for lease in leases {
            moved += self.0.complete_oldest(std::slice::from_ref(lease), limit).await?;
        }
        Ok(moved)
    }

    async fn waiting(&self) -> Result<Vec<Partition>, StorageError> {
        self.0.waiting().await
    }

    async fn depth(&self) -> Result<OutboxDepth, StorageError> {
        self.0.depth().await
    }

    async fn depth_within(&self, bound: u32, spared: u32) -> Result<OutboxDepth, StorageError> {
        self.0.depth_within(bound, spared).await
    }
}

/// Leaves out every fifth position, as a sequence does when a transaction is rolled back.
pub(crate) struct GapsInPositions(pub(crate) MemoryStorage);

impl GapsInPositions {
    fn gap(entries: Vec<JournalEntry>) -> Vec<JournalEntry> {
        entries
            .into_iter()
            .map(|entry| JournalEntry { position: entry.position + entry.position / 5, ..entry })
            .collect()
    }
}

#[async_trait]
impl Journal for GapsInPositions {
    async fn read(&self, partition: Partition, position: u64, limit: u32) -> Result<Vec<JournalEntry>, StorageError> {
        self.0.read(partition, position - position / 6, limit).await.map(Self::gap)
    }

    async fn read_all(&self, cursor: &JournalCursor, limit: u32) -> Result<Vec<JournalEntry>, StorageError> {
        self.0.read_all(&JournalCursor(cursor.0.map(|p| p - p / 6)), limit).await.map(Self::gap)
    }

    async fn heads(&self) -> Result<JournalCursor, StorageError> {
        self.0.heads().await.map(|heads| JournalCursor(heads.0.map(|p| p + p / 5)))
    }

    async fn append(&self, events: &[EventEnvelope]) -> Result<(), StorageError> {
        self.0.append(events).await
    }
}

/// Advances partition by partition, so that a lost lease leaves some of it done.
pub(crate) struct PiecemealAdvance(pub(crate) MemoryStorage);

#[async_trait]
impl GroupPositions for PiecemealAdvance {
    async fn join(&self, group: &str, start: &JournalCursor) -> Result<JournalCursor, StorageError> {
        self.0.join(group, start).await
    }

    async fn positions(&self, group: &str) -> Result<JournalCursor, StorageError> {
        self.0.positions(group).await
    }

    async fn advance(&self, group: &str, to: &[(Lease, u64)]) -> Result<(), StorageError> {
        for one in to {
            self.0.advance(group, std::slice::from_ref(one)).await?;
        }
        Ok(())
    }

    async fn is_known(&self, group: &str) -> Result<bool, StorageError> {
        self.0.is_known(group).await
    }

    async fn remove(&self, group: &str) -> Result<bool, StorageError> {
        self.0.remove(group).await
    }
}

/// Gives everything to whoever asked last.
pub(crate) struct Robber {
    pub(crate) inner: MemoryStorage,
    pub(crate) members: Mutex<BTreeSet<(String, String)>>,
}

#[async_trait]
impl LeaseStore for Robber {
    async fn heartbeat(&self, scope: &str, member: &str, of: u16, ttl: Duration) -> Result<Membership, StorageError> {
        let others = self.members.lock().expect("not poisoned").clone();
        for (of, other) in others.iter().filter(|(of, other)| of == scope && other != member) {
            self.inner.leave(of, other).await?;
        }
        self.members.lock().expect("not poisoned").insert((scope.to_owned(), member.to_owned()));
        self.inner.heartbeat(scope, member, of, ttl).await
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        self.inner.release(member, leases).await
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        self.inner.leave(scope, member).await
    }
}

/// Every lease has the same epoch.
pub(crate) struct EpochsThatStand(pub(crate) MemoryStorage);

#[async_trait]
impl LeaseStore for EpochsThatStand {
    async fn heartbeat(&self, scope: &str, member: &str, of: u16, ttl: Duration) -> Result<Membership, StorageError> {
        let membership = self.0.heartbeat(scope, member, of, ttl).await?;
        let leases = membership.leases.into_iter().map(|lease| Lease { epoch: 1, ..lease }).collect();
        Ok(Membership { leases, ..membership })
    }

    async fn release(&self, member: &str, leases: &[Lease]) -> Result<(), StorageError> {
        self.0.release(member, leases).await
    }

    async fn leave(&self, scope: &str, member: &str) -> Result<(), StorageError> {
        self.0.leave(scope, member).await
    }
}

/// What is wrong with queries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryDefect {
    /// Pages go on after the time of the last item, and so skip others of that time.
    PagesByTime,
    /// Users with the same distance are ordered by their ids.
    TiesByUser,
}

/// Queries with a defect.
pub(crate) struct BrokenQueries {
    pub(crate) inner: Arc<dyn Queries>,
    pub(crate) defect: QueryDefect,
}

#[async_trait]
impl Queries for BrokenQueries {
    async fn activities(&self, filter: &ActivityFilter, page: KeysetPage) -> Result<Vec<Activity>, StorageError> {
        let after = match self.defect {
            QueryDefect::PagesByTime => page.after.map(|(time, _)| (time, Uuid::nil())),
            QueryDefect::TiesByUser => page.after,
        };
        self.inner.activities(filter, KeysetPage { after, ..page }).await
    }

    async fn leaderboard(&self, board: &Board, after: u64, limit: u32) -> Result<Vec<Standing>, StorageError> {
        let mut standings = self.inner.leaderboard(board, 0, u32::MAX).await?;
        if self.defect == QueryDefect::TiesByUser {
            standings.sort_by_key(|s| (std::cmp::Reverse(s.figures.distance_metres), s.user_id));
        }
        let ranked = (1..).zip(standings).map(|(rank, standing)| Standing { rank, ..standing });
        Ok(ranked.skip(after as usize).take(limit as usize).collect())
    }

    async fn activity(&self, id: Uuid) -> Result<Option<Activity>, StorageError> {
        self.inner.activity(id).await
    }

    async fn totals(&self, user: UserId) -> Result<Option<Figures>, StorageError> {
        self.inner.totals(user).await
    }

    async fn periods(
        &self,
        user: UserId,
        period: Option<Period>,
        limit: u32,
    ) -> Result<Vec<PeriodStatistics>, StorageError> {
        self.inner.periods(user, period, limit).await
    }

    async fn notifications(&self, user: UserId, page: KeysetPage) -> Result<Vec<Notification>, StorageError> {
        self.inner.notifications(user, page).await
    }

    async fn achievements(&self, user: UserId) -> Result<Vec<Earned>, StorageError> {
        self.inner.achievements(user).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.inner.ping().await
    }
}
