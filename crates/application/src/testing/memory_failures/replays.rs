use async_trait::async_trait;
use jiff::Timestamp;

use super::{FailureTables, MemoryFailures, tables::Address};
use crate::ports::{Replay, ReplayProgress, Replays, StorageError};

/// Replays of the journal.
impl FailureTables {
    fn begin_replay(&mut self, handler: &str, from: Option<Timestamp>, to: Option<Timestamp>) -> Replay {
        let began_at = self.tick();
        let new = || Replay { handler: handler.to_owned(), began_at, from, to, progress: ReplayProgress::Clearing };
        self.replays.entry(handler.to_owned()).or_insert_with(new).clone()
    }

    fn forget(&mut self, handler: &str, limit: u32) -> u64 {
        if !self.replays.contains_key(handler) {
            return 0;
        }
        let waiting: std::collections::BTreeSet<Address> =
            self.parked.values().map(|event| super::tables::address(&event.addressed)).collect();
        let spared = |address: &Address| waiting.contains(address) || self.is_dead(address);
        let old = self.inbox.keys().filter(|address| address.0 == handler && !spared(address));
        let old: Vec<Address> = old.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect();
        for address in &old {
            self.inbox.remove(address);
        }
        old.len() as u64
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
        self.change("begin replay", &[], |tables| tables.begin_replay(handler, from, to)).await
    }

    async fn forget(&self, handler: &str, limit: u32) -> Result<u64, StorageError> {
        self.change("forget inbox", &[], |tables| tables.forget(handler, limit)).await
    }

    async fn advance(&self, handler: &str, progress: &ReplayProgress) -> Result<(), StorageError> {
        self.change("advance replay", &[], |tables| {
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
        self.read("list replays", |tables| tables.replays.values().cloned().collect())
    }
}
