use std::collections::VecDeque;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Addressed, DeathReason, Failures, Listed, PARKING_PAGE_MAX, StorageError};

/// What an operator has done about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadLetterState {
    /// Nothing yet.
    Dead,
    /// It is parked again, to be taken in its place.
    Replaying,
    /// It was replayed, and the handler has taken it.
    Replayed,
    /// It will never be taken.
    Discarded,
}

impl DeadLetterState {
    /// Every state, in the order they come.
    pub const ALL: [Self; 4] = [Self::Dead, Self::Replaying, Self::Replayed, Self::Discarded];

    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Replaying => "replaying",
            Self::Replayed => "replayed",
            Self::Discarded => "discarded",
        }
    }

    /// The state called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// One of the deaths of an event that was replayed and died again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Why.
    pub reason: DeathReason,
    /// The attempts that led to it.
    pub failures: Failures,
}

/// An event that a handler was given up on.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its number: from 1, in the order of the events' first deaths.
    pub id: i64,
    /// The event and who was to take it.
    pub addressed: Addressed,
    /// Whether it is waited for.
    pub state: DeadLetterState,
    /// When it died last.
    pub died_at: Timestamp,
    /// When its state last changed.
    pub changed_at: Timestamp,
    /// Whether its lane waits for an operator because of it.
    pub holds: bool,
    /// Its last death.
    pub death: Death,
    /// The deaths before, oldest first; at most the last 20.
    pub earlier: Vec<Death>,
}

/// Which dead letters are meant. Every condition that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterFilter {
    /// The handler.
    pub handler: Option<String>,
    /// The event's name.
    pub event: Option<String>,
    /// The event's subject: its aggregate.
    pub subject: Option<String>,
    /// Why it died last.
    pub reason: Option<DeathReason>,
    /// Its state.
    pub state: Option<DeadLetterState>,
    /// Died last at this time or later.
    pub from: Option<Timestamp>,
    /// Died last before this time.
    pub to: Option<Timestamp>,
}

/// What was given up on, kept until an operator replays or discards it. One per handler and event, on every broker.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Dead letters by descending number, from below number `before`, at most `limit` (at most
    /// [`PARKING_PAGE_MAX`](super::PARKING_PAGE_MAX)).
    async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError>;

    /// Dead letters by ascending number, from above number `after`, at most `limit` (at most
    /// [`PARKING_PAGE_MAX`](super::PARKING_PAGE_MAX)): the order to replay them in.
    ///
    /// Made of [`list`](Self::list) unless the storage does better: it then reads everything that matches, and keeps `limit` of it.
    async fn oldest(
        &self,
        filter: &DeadLetterFilter,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StorageError> {
        let limit = usize::try_from(limit.min(PARKING_PAGE_MAX)).unwrap_or(usize::MAX);
        let mut oldest = VecDeque::new();
        let mut before = None;
        loop {
            let page = self.list(filter, before, PARKING_PAGE_MAX).await?;
            let reached = after.is_some_and(|after| page.items.iter().any(|letter| letter.id <= after));
            oldest.extend(page.items.into_iter().filter(|letter| after.is_none_or(|after| letter.id > after)));
            // Descending: the first are the youngest.
            oldest.drain(..oldest.len().saturating_sub(limit));
            match page.next {
                Some(next) if !reached => before = Some(next),
                _ => return Ok(oldest.into_iter().rev().collect()),
            }
        }
    }

    /// One.
    async fn find(&self, id: i64) -> Result<Option<DeadLetter>, StorageError>;

    /// How many there are, counted up to 1,000,000.
    async fn count(&self, filter: &DeadLetterFilter) -> Result<u64, StorageError>;

    /// Parks a dead letter again, in the place it had: before what was parked after it. Its lane is due at once, and no longer held if
    /// nothing else of it is dead and holding. Its attempts begin anew; the death stays on record. `false`, with no effect, unless it is
    /// [`Dead`](DeadLetterState::Dead): replaying twice has the effect of once.
    async fn replay(&self, id: i64) -> Result<bool, StorageError>;

    /// Gives it up for ever. Its lane goes on if it was held by it. `false`, with no effect, unless it is
    /// [`Dead`](DeadLetterState::Dead).
    async fn discard(&self, id: i64) -> Result<bool, StorageError>;

    /// Removes up to `limit` that were replayed or discarded before `before`. Answers how many.
    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StorageError>;
}
