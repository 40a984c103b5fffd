use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use activelog_application::ports::{
    GroupPositions, IdGenerator, JournalCursor, Lag, LeaseStore, Partition, Signal, StorageError,
};
use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;

/// What stands at a position of a log.
#[derive(Debug)]
pub(in crate::broker) struct LogEntry {
    pub(in crate::broker) position: u64,
    /// `None` for what is no event anybody could read; the log has said so. It counts as acknowledged.
    pub(in crate::broker) event: Option<Arc<EventEnvelope>>,
}

/// What is to be read of a partition: up to `limit` entries after a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::broker) struct Page {
    pub(in crate::broker) partition: Partition,
    pub(super) generation: u64,
    pub(in crate::broker) after: u64,
    pub(in crate::broker) limit: u32,
}

/// What was read, each with the page that asked for it.
pub(in crate::broker) type PagesRead = Vec<(Page, Vec<LogEntry>)>;

/// A log of events in partitions, which is read by position. Positions ascend and may have gaps.
#[async_trait]
pub(in crate::broker) trait PartitionLog: Send + Sync + 'static {
    /// Whether `read` waits some seconds for the first entry of any of its pages, and so may be asked all the time. Otherwise it answers what is there, and is asked
    /// for a page when its head has moved.
    fn waits(&self) -> bool {
        false
    }

    /// The entries of these pages, ascending in each; pages without any may be left out. A call that is dropped has taken nothing away.
    async fn read(&self, pages: &[Page]) -> Result<PagesRead, StorageError>;

    /// The last position of every partition.
    async fn heads(&self) -> Result<JournalCursor, StorageError>;

    /// How far a group that stands at these positions is behind. Unless told otherwise: positions have no gaps.
    async fn lag(&self, positions: &JournalCursor) -> Result<Lag, StorageError> {
        let heads = self.heads().await?;
        let events = heads.0.iter().zip(positions.0).map(|(head, position)| head.saturating_sub(position)).sum();
        Ok(Lag { events, age: None })
    }
}

/// Bounds and intervals of the streams of a log.
#[derive(Debug, Clone, Copy)]
pub(in crate::broker) struct LogOptions {
    /// How long a silent member keeps its partitions. Heartbeats come three times as often.
    pub(in crate::broker) lease_ttl: Duration,
    /// How long a partition that goes to another member waits for its unsettled events.
    pub(in crate::broker) drain_timeout: Duration,
    /// How long closing a stream tries to write its last positions.
    pub(in crate::broker) close_timeout: Duration,
    /// How often the log is looked at when its signal is silent.
    pub(in crate::broker) poll: Duration,
    /// The shortest pause between two writes of a group's positions. What was acknowledged and not written arrives again when the process dies.
    pub(in crate::broker) position_pause: Duration,
    /// About how many bytes of events a stream holds before it stops reading.
    pub(in crate::broker) read_ahead_bytes: usize,
}

impl Default for LogOptions {
    /// Leases of 3 s (a dead member is followed within 4 s), 10 s to drain, 5 s to close, a poll each 200 ms, positions written as soon as the last write
    /// is done, 16 MiB read ahead.
    fn default() -> Self {
        Self {
            lease_ttl: Duration::from_secs(3),
            drain_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            poll: Duration::from_millis(200),
            position_pause: Duration::ZERO,
            read_ahead_bytes: 16 << 20,
        }
    }
}

/// A log, and how its consumer groups share it.
pub(in crate::broker) struct GroupLog {
    pub(super) log: Arc<dyn PartitionLog>,
    pub(super) positions: Arc<dyn GroupPositions>,
    pub(super) leases: Arc<dyn LeaseStore>,
    /// Rings when the log has grown.
    pub(super) signal: Signal,
    pub(super) ids: Arc<dyn IdGenerator>,
    pub(super) options: LogOptions,
    members: Mutex<HashMap<String, Signal>>,
}

impl GroupLog {
    pub(in crate::broker) fn new(
        log: Arc<dyn PartitionLog>,
        positions: Arc<dyn GroupPositions>,
        leases: Arc<dyn LeaseStore>,
        signal: Signal,
        ids: Arc<dyn IdGenerator>,
        options: LogOptions,
    ) -> Self {
        Self { log, positions, leases, signal, ids, options, members: Mutex::default() }
    }

    /// Rings when the members of a group in this process change, so that they share out its partitions without waiting for the
    /// next heartbeat.
    pub(super) fn members_changed(&self, group: &str) -> Signal {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        members.entry(group.to_owned()).or_default().clone()
    }
}
