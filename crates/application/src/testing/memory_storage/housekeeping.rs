use std::collections::HashSet;

use activelog_domain::event::EventEnvelope;
use jiff::Timestamp;
use uuid::Uuid;

use super::{MemoryStorage, storage::State};
use crate::ports::{JournalSpan, Lease, PARTITIONS, Partition, StorageError};

/// What retention and the schedule need of outbox and journal.
impl MemoryStorage {
    /// The events that can still come to their handlers: those in the outbox, and those that some group has not acknowledged.
    pub(in crate::testing) fn coming(&self) -> Result<HashSet<Uuid>, StorageError> {
        let state = self.begin("look for events that can come")?;
        let ahead = state.journal.iter().flat_map(|(partition, entries)| {
            let floor = state.floor(*partition);
            entries.iter().filter(move |entry| entry.position > floor).map(|entry| entry.event.id)
        });
        Ok(state.outbox.values().map(|row| row.event.id).chain(ahead).collect())
    }

    pub(in crate::testing) fn journal_spans(&self) -> Result<Vec<JournalSpan>, StorageError> {
        let state = self.begin("journal spans")?;
        let spans = (0..PARTITIONS).map(Partition).filter_map(|partition| {
            let entries = state.journal.get(&partition)?;
            let (first, last) = (entries.first()?, entries.last()?);
            Some(JournalSpan { partition, first: first.position, last: last.position, oldest: first.published_at })
        });
        Ok(spans.collect())
    }

    pub(in crate::testing) fn prune_journal(
        &self,
        partition: Partition,
        before: Timestamp,
        limit: u32,
    ) -> Result<u64, StorageError> {
        let mut state = self.begin("prune journal")?;
        let floor = state.floor(partition);
        let Some(entries) = state.journal.get_mut(&partition) else { return Ok(0) };
        let most = usize::try_from(limit).unwrap_or(usize::MAX).min(entries.len().saturating_sub(1));
        let oldest = entries.iter().take(most);
        let gone = oldest.take_while(|entry| entry.published_at < before && entry.position <= floor).count();
        let gone: Vec<_> = entries.drain(..gone).collect();
        for entry in &gone {
            state.journal_ids.remove(&entry.event.id);
        }
        *state.pruned.entry(partition).or_default() += gone.len() as u64;
        Ok(gone.len() as u64)
    }

    /// Which of these events can go into the outbox under the lease: the first of each (subject, sequence), unless it or the id is there.
    pub(in crate::testing) fn releasable(
        &self,
        lease: &Lease,
        events: &[&EventEnvelope],
    ) -> Result<Vec<bool>, StorageError> {
        const OPERATION: &str = "release scheduled events";
        let state = self.begin(OPERATION)?;
        state.check_lease(lease, OPERATION)?;
        let mut ids: HashSet<Uuid> = state.outbox.values().map(|row| row.event.id).collect();
        let waiting = state.outbox.values().map(|row| (row.event.subject.as_str(), row.event.sequence));
        let mut sequences: HashSet<(&str, u64)> = waiting.collect();
        let mut free = Vec::with_capacity(events.len());
        for event in events {
            // A second one of a sequence waits even for a first that cannot go.
            free.push(sequences.insert((event.subject.as_str(), event.sequence)) & ids.insert(event.id));
        }
        Ok(free)
    }
}

impl State {
    /// Up to which position every known group has acknowledged a partition.
    fn floor(&self, partition: Partition) -> u64 {
        let positions = self.groups.values().filter_map(|group| group.0.get(usize::from(partition.0)));
        positions.min().copied().unwrap_or(u64::MAX)
    }
}
