use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    FailureTables, Hold, MemoryFailures,
    tables::{Address, address},
};
use crate::ports::{Replay, ReplayProgress, Replays, StorageError, StorageErrorKind};

/// How long the beginning of a replay waits for transactions in which its handler takes events.
const PATIENCE: Duration = Duration::from_secs(60);

/// Replays of the journal.
impl FailureTables {
    fn begin_replay(&mut self, handler: &str, from: Option<Timestamp>, to: Option<Timestamp>) -> Replay {
        let began_at = self.tick();
        let new = || Replay { handler: handler.to_owned(), began_at, from, to, progress: ReplayProgress::Clearing };
        self.replays.entry(handler.to_owned()).or_insert_with(new).clone()
    }

    /// Whether the replay of this handler is clearing.
    pub(in crate::testing) fn is_clearing(&self, handler: &str) -> bool {
        self.replays.get(handler).is_some_and(|replay| replay.progress == ReplayProgress::Clearing)
    }

    /// The events of the handler that can be forgotten: neither parked nor dead.
    pub(in crate::testing) fn forgettable(&self, handler: &str, limit: u32) -> Vec<Address> {
        let waiting: BTreeSet<Address> = self.parked.values().map(|event| address(&event.addressed)).collect();
        let spared = |address: &Address| waiting.contains(address) || self.is_dead(address);
        let taken = self.inbox.keys().filter(|address| address.0 == handler && !spared(address));
        taken.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect()
    }

    /// Makes these events unknown.
    pub(in crate::testing) fn forget(&mut self, forgotten: &[Address]) {
        for address in forgotten {
            self.inbox.remove(address);
        }
    }

    fn end_replay(&mut self, handler: &str) {
        let now = self.tick();
        if self.replays.remove(handler).is_some() {
            for (_, lane) in self.lanes.iter_mut().filter(|(key, _)| key.0 == handler) {
                lane.due = lane.due.min(now);
            }
        }
    }
}

#[async_trait]
impl Replays for MemoryFailures {
    async fn begin(
        &self,
        handler: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    ) -> Result<Replay, StorageError> {
        const OPERATION: &str = "begin replay";
        let replay = self.change(OPERATION, &[], |tables| tables.begin_replay(handler, from, to)).await?;
        // Nobody begins to take an event from now on: when those that have begun have ended, it is quiet.
        let quiet = [Hold::Handler(handler.to_owned())];
        let quiet = tokio::time::timeout(PATIENCE, self.change(OPERATION, &quiet, |_| ())).await;
        quiet.map_err(|elapsed| StorageError::new(StorageErrorKind::Unavailable, OPERATION, elapsed))??;
        Ok(replay)
    }

    async fn advance(&self, handler: &str, progress: &ReplayProgress) -> Result<(), StorageError> {
        // Who is forgetting has hold of the handler.
        self.change("advance replay", &[Hold::Handler(handler.to_owned())], |tables| {
            if let Some(replay) = tables.replays.get_mut(handler) {
                replay.progress = progress.clone();
            }
        })
        .await
    }

    async fn end(&self, handler: &str) -> Result<(), StorageError> {
        self.change("end replay", &[], |tables| tables.end_replay(handler)).await
    }

    async fn list(&self) -> Result<Vec<Replay>, StorageError> {
        self.read("list replays", |tables| tables.replays.values().cloned().collect()).await
    }
}
