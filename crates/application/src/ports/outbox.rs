use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Lease, Partition, StorageError};

/// The transactional side of the outbox: events are recorded together with the change they tell of.
#[async_trait]
pub trait Outbox: Send {
    /// Records events, to be published after the commit, in this order within each partition. Each goes to the partition of its key
    /// ([`partition_of`](super::partition_of)). An event id that is already there is a `Constraint` error, and so is a
    /// (subject, sequence) that is already there: two writers have changed one aggregate at once.
    async fn append(&mut self, events: &[EventEnvelope]) -> Result<(), StorageError>;

    /// Records an event to be published at `due`, or soon after; at once when that is past. It is kept with the
    /// [`ScheduledEvents`](super::ScheduledEvents) until then. An event id that is already among those is a `Constraint` error.
    async fn schedule(&mut self, event: &EventEnvelope, due: Timestamp) -> Result<(), StorageError>;

    /// Takes a scheduled event off the schedule, together with the rest of the transaction. `false`, with no effect, when it is not on it: it
    /// has been published, or is being, or was cancelled. After `true` and the commit it is never published.
    async fn cancel(&mut self, event_id: Uuid) -> Result<bool, StorageError>;
}

/// An event that waits in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxEntry {
    /// Its row. Rows of one aggregate ascend in the aggregate's order.
    pub id: i64,
    /// The event.
    pub event: EventEnvelope,
}

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxDepth {
    /// Events.
    pub events: u64,
    /// When the oldest was recorded.
    pub oldest: Option<Timestamp>,
}

/// The relay's side of the outbox. Row state, no cursor: whatever is there is pending, whenever its transaction committed,
/// and is deleted when it has been published.
///
/// Every change names the [`Lease`] it is made under and is refused with
/// [`StorageErrorKind::Fenced`](super::StorageErrorKind::Fenced), with no effect, once that lease has gone to another owner.
#[async_trait]
pub trait OutboxStore: Send + Sync + 'static {
    /// The oldest `limit` events of a partition that come after row `after`, by row. Takes no locks.
    async fn pending(&self, partition: Partition, after: i64, limit: u32) -> Result<Vec<OutboxEntry>, StorageError>;

    /// Moves published events of the lease's partition to the journal, in the order of their rows: each gets the partition's next position, without
    /// gaps. Rows that are no longer there are skipped. One transaction. Rings the journal's signal.
    async fn complete(&self, lease: &Lease, rows: &[i64]) -> Result<u64, StorageError>;

    /// Like [`complete`](Self::complete) for the oldest `limit` events of these leases' partitions, whatever they are, without reading
    /// them: publication for brokers that deliver from the journal. Answers how many were moved. One lost lease refuses the whole.
    async fn complete_oldest(&self, leases: &[Lease], limit: u32) -> Result<u64, StorageError>;

    /// The partitions that hold events.
    async fn waiting(&self) -> Result<Vec<Partition>, StorageError>;

    /// How much waits.
    async fn depth(&self) -> Result<OutboxDepth, StorageError>;

    /// How much waits, at a cost that does not grow with what waits: events are counted up to `bound`, and `oldest` is the oldest but for
    /// the first `spared`. `None` for it when no more than those wait.
    async fn depth_within(&self, bound: u32, spared: u32) -> Result<OutboxDepth, StorageError>;
}
