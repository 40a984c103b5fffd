use activelog_domain::event::EventEnvelope;
use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Lease, StorageError};

/// The most scheduled events one page of a list returns.
pub const SCHEDULED_PAGE_MAX: u32 = 500;

/// An event that waits for its time.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduledEvent {
    /// Its row. Of events that are due at the same time the lower row goes first.
    pub row: i64,
    /// When it is to be published.
    pub due: Timestamp,
    /// When it was scheduled.
    pub scheduled_at: Timestamp,
    /// The event.
    pub event: EventEnvelope,
}

impl ScheduledEvent {
    /// Its place in the order in which events are published.
    pub fn place(&self) -> (Timestamp, i64) {
        (self.due, self.row)
    }
}

/// Which scheduled events to list. Every condition that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduledFilter {
    /// The event's name.
    pub name: Option<String>,
    /// The event's subject.
    pub subject: Option<String>,
}

/// Events that wait for their time. They are scheduled, and cancelled, in a unit of work: see [`Outbox::schedule`](super::Outbox::schedule).
#[async_trait]
pub trait ScheduledEvents: Send + Sync + 'static {
    /// Moves up to `limit` events that are due at `now` into the outbox, in the order of (due, row), in one transaction: an event is in one of
    /// the two, never in both and never in none. From then on it is like any other in the outbox. Rings the outbox's signal. Answers
    /// how many.
    ///
    /// An event waits, and holds up no other, while its id or its (subject, sequence) is in the outbox, or while another scheduled event
    /// with its (subject, sequence) comes before it.
    ///
    /// Fails with [`StorageErrorKind::Fenced`](super::StorageErrorKind::Fenced), with no effect, once the lease has gone to another owner.
    async fn release(&self, lease: &Lease, now: Timestamp, limit: u32) -> Result<u64, StorageError>;

    /// When the next event is due; in the past when one is now. `None` when none waits.
    async fn next_due(&self) -> Result<Option<Timestamp>, StorageError>;

    /// Scheduled events in the order of their places, from after place `after`, at most `limit` (at most [`SCHEDULED_PAGE_MAX`]).
    async fn list(
        &self,
        filter: &ScheduledFilter,
        after: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<ScheduledEvent>, StorageError>;

    /// Takes an event off the schedule. `false`, with no effect, when it is not on it: it has been published, or cancelled, or never was.
    async fn cancel(&self, event_id: Uuid) -> Result<bool, StorageError>;
}
