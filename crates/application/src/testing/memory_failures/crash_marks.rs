use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::MemoryFailures;
use crate::ports::{CrashMarks, StorageError};

#[async_trait]
impl CrashMarks for MemoryFailures {
    async fn left(&self, handler: &str, event_id: Uuid) -> Result<u32, StorageError> {
        let address = (handler.to_owned(), event_id);
        self.read("count crash marks", |tables| tables.marks.get(&address).map_or(0, |mark| mark.0)).await
    }

    async fn mark(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        self.change("make crash mark", &[], |tables| {
            let now = tables.tick();
            let mark = tables.marks.entry((handler.to_owned(), event_id)).or_insert((0, now));
            *mark = (mark.0 + 1, now);
        })
        .await
    }

    async fn erase(&self, handler: &str, event_id: Uuid) -> Result<(), StorageError> {
        let address = (handler.to_owned(), event_id);
        self.change("erase crash marks", &[], |tables| {
            tables.marks.remove(&address);
        })
        .await
    }

    async fn running(&self, group: &str, run: Uuid) -> Result<(), StorageError> {
        self.change("note run", &[], |tables| {
            let now = tables.tick();
            tables.runs.entry(group.to_owned()).or_default().insert(run, now);
        })
        .await
    }

    async fn runs(&self, group: &str) -> Result<Vec<(Uuid, Timestamp)>, StorageError> {
        self.read("list runs", |tables| {
            tables.runs.get(group).into_iter().flatten().map(|(run, seen)| (*run, *seen)).collect()
        })
        .await
    }

    async fn ended(&self, group: &str, runs: &[Uuid]) -> Result<(), StorageError> {
        self.change("end runs", &[], |tables| {
            if let Some(known) = tables.runs.get_mut(group) {
                known.retain(|run, _| !runs.contains(run));
            }
        })
        .await
    }
}
