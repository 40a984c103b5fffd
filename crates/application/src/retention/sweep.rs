use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{KeeperOptions, KeeperStores, RetentionPolicy, Swept};
use crate::{
    ports::{JournalSpan, Partition, StorageError},
    sole_lease::SoleLease,
};

/// One way through everything that is kept for a time.
pub(super) struct Sweep<'a> {
    stores: &'a KeeperStores,
    policy: &'a RetentionPolicy,
    options: &'a KeeperOptions,
    lease: &'a SoleLease,
    stop: &'a CancellationToken,
    now: Timestamp,
    swept: Swept,
}

/// Whether to go on after a batch.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    /// Told to stop, or another keeper works now.
    End,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(
        stores: &'a KeeperStores,
        policy: &'a RetentionPolicy,
        options: &'a KeeperOptions,
        lease: &'a SoleLease,
        stop: &'a CancellationToken,
    ) -> Self {
        let now = stores.clock.now();
        Self { stores, policy, options, lease, stop, now, swept: Swept::default() }
    }

    /// What was removed; `None` when it ended early.
    pub(super) async fn run(mut self) -> Result<Option<Swept>, StorageError> {
        let whole = self.journal_by_age().await? == Next::Go
            && self.journal_by_number().await? == Next::Go
            && self.inbox().await? == Next::Go
            && self.idempotency_keys().await? == Next::Go
            && self.dead_letters().await? == Next::Go
            && self.crash_marks().await? == Next::Go
            && self.worker_runs().await? == Next::Go;
        Ok(whole.then_some(self.swept))
    }

    /// Before when something has to be to go; `None` when it is kept for ever.
    fn before(&self, age: Option<Duration>) -> Option<Timestamp> {
        self.now.checked_sub(age?).ok()
    }

    /// Lets others work for a while.
    async fn breathe(&self) -> Result<Next, StorageError> {
        self.stop.run_until_cancelled(tokio::time::sleep(self.options.pause)).await;
        if self.stop.is_cancelled() || self.lease.hold().await?.is_none() { Ok(Next::End) } else { Ok(Next::Go) }
    }

    async fn inbox(&mut self) -> Result<Next, StorageError> {
        let Some(before) = self.before(self.policy.inbox) else { return Ok(Next::Go) };
        let mut after = None;
        loop {
            let pruned = self.stores.retention.prune_inbox(after, before, self.options.batch).await?;
            self.swept.inbox += pruned.removed;
            if pruned.reached.is_none() {
                return Ok(Next::Go);
            }
            after = pruned.reached;
            if self.breathe().await? == Next::End {
                return Ok(Next::End);
            }
        }
    }

    async fn journal_by_age(&mut self) -> Result<Next, StorageError> {
        let Some(before) = self.before(self.policy.journal) else { return Ok(Next::Go) };
        let mut held = 0;
        for span in self.stores.retention.journal_spans().await? {
            let mut oldest = span;
            // The newest entry of a partition always stays.
            while oldest.oldest < before && oldest.first < oldest.last {
                let removed = self.prune_journal(oldest.partition, before, self.options.batch).await?;
                if self.breathe().await? == Next::End {
                    return Ok(Next::End);
                }
                if removed == 0 {
                    held += 1;
                    break;
                }
                oldest.first += removed;
                if removed < u64::from(self.options.batch) {
                    break;
                }
            }
        }
        if held > 0 {
            tracing::warn!(
                partitions = held,
                "the journal holds events that are older than it keeps them: a consumer group has not taken them, or a replay goes on"
            );
        }
        Ok(Next::Go)
    }

    /// Removes the oldest events of all, as far as there are more than are to be kept.
    async fn journal_by_number(&mut self) -> Result<Next, StorageError> {
        let Some(most) = self.policy.journal_events else { return Ok(Next::Go) };
        let mut held: BTreeSet<Partition> = BTreeSet::new();
        loop {
            let spans = self.stores.retention.journal_spans().await?;
            let all: u64 = spans.iter().map(entries).sum();
            let surplus = all.saturating_sub(most);
            let free = spans.iter().filter(|span| !held.contains(&span.partition) && span.first < span.last);
            let Some(oldest) = free.min_by_key(|span| span.oldest).filter(|_| surplus > 0) else { return Ok(Next::Go) };
            let batch = u32::try_from(surplus).unwrap_or(u32::MAX).min(self.options.batch);
            if self.prune_journal(oldest.partition, Timestamp::MAX, batch).await? == 0 {
                held.insert(oldest.partition);
            }
            if self.breathe().await? == Next::End {
                return Ok(Next::End);
            }
        }
    }

    async fn prune_journal(
        &mut self,
        partition: Partition,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StorageError> {
        let removed = self.stores.retention.prune_journal(partition, before, limit).await?;
        self.swept.journal += removed;
        Ok(removed)
    }

    async fn idempotency_keys(&mut self) -> Result<Next, StorageError> {
        let Some(before) = self.before(self.policy.idempotency_keys) else { return Ok(Next::Go) };
        loop {
            let removed = self.stores.retention.prune_idempotency_keys(before, self.options.batch).await?;
            self.swept.idempotency_keys += removed;
            if let Some(next) = self.after_batch(removed).await? {
                return Ok(next);
            }
        }
    }

    async fn dead_letters(&mut self) -> Result<Next, StorageError> {
        let Some(before) = self.before(self.policy.dead_letters) else { return Ok(Next::Go) };
        loop {
            let removed = self.stores.dead_letters.prune(before, self.options.batch).await?;
            self.swept.dead_letters += removed;
            if let Some(next) = self.after_batch(removed).await? {
                return Ok(next);
            }
        }
    }

    async fn crash_marks(&mut self) -> Result<Next, StorageError> {
        let Some(before) = self.before(self.policy.crash_marks) else { return Ok(Next::Go) };
        loop {
            let removed = self.stores.retention.prune_crash_marks(before, self.options.batch).await?;
            self.swept.crash_marks += removed;
            if let Some(next) = self.after_batch(removed).await? {
                return Ok(next);
            }
        }
    }

    async fn worker_runs(&mut self) -> Result<Next, StorageError> {
        let Some(before) = self.before(self.policy.crash_marks) else { return Ok(Next::Go) };
        loop {
            let removed = self.stores.retention.prune_worker_runs(before, self.options.batch).await?;
            self.swept.worker_runs += removed;
            if let Some(next) = self.after_batch(removed).await? {
                return Ok(next);
            }
        }
    }

    /// `None` when another batch is to follow.
    async fn after_batch(&self, removed: u64) -> Result<Option<Next>, StorageError> {
        if removed < u64::from(self.options.batch) {
            return Ok(Some(Next::Go));
        }
        Ok(Some(self.breathe().await?).filter(|next| *next == Next::End))
    }
}

/// How many entries a partition holds.
fn entries(span: &JournalSpan) -> u64 {
    span.last - span.first + 1
}
