use std::sync::{Arc, Mutex, PoisonError};

use activelog_application::ports::{
    Addressed, DeadLetter, DeadLetterFilter, DeadLetterState, DeadLetters, Death, DeathReason, Failures, Listed,
    PARKING_PAGE_MAX, StorageError,
};
use activelog_domain::event::{EventEnvelope, JSON};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// When the first of them died: 2026-03-12T18:00:00Z. The others a day apart.
const FIRST: Timestamp = Timestamp::constant(1_773_338_400, 0);

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How many there are.
const COUNT: i64 = 48;

/// Dead letters of every kind, which stay as they are whatever is done about them; what that was is noted.
#[derive(Debug)]
pub(super) struct Letters {
    all: Vec<DeadLetter>,
    acted_on: Mutex<Vec<i64>>,
}

impl Letters {
    pub(super) fn new() -> Self {
        Self { all: (1..=COUNT).map(letter).collect(), acted_on: Mutex::default() }
    }

    /// Those for which `holds`, in ascending order.
    pub(super) fn that(&self, holds: impl Fn(&DeadLetter) -> bool) -> Vec<i64> {
        self.all.iter().filter(|letter| holds(letter)).map(|letter| letter.id).collect()
    }

    /// What was replayed or discarded since this was asked last, in ascending order.
    pub(super) fn acted_on(&self) -> Vec<i64> {
        let mut ids = std::mem::take(&mut *self.acted_on.lock().unwrap_or_else(PoisonError::into_inner));
        ids.sort_unstable();
        ids
    }

    fn act(&self, id: i64) -> bool {
        self.acted_on.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        self.all.iter().any(|letter| letter.id == id && letter.state == DeadLetterState::Dead)
    }

    fn matching<'a>(&'a self, filter: &'a DeadLetterFilter) -> impl DoubleEndedIterator<Item = &'a DeadLetter> {
        self.all.iter().filter(|letter| {
            let DeadLetterFilter { handler, event, subject, reason, state, from, to } = filter;
            handler.as_ref().is_none_or(|h| *h == letter.addressed.handler)
                && event.as_ref().is_none_or(|e| *e == letter.addressed.event.name)
                && subject.as_ref().is_none_or(|s| *s == letter.addressed.event.subject)
                && reason.is_none_or(|r| r == letter.death.reason)
                && state.is_none_or(|s| s == letter.state)
                && from.is_none_or(|f| letter.died_at >= f)
                && to.is_none_or(|t| letter.died_at < t)
        })
    }
}

/// Number `n`: every condition that can be asked for holds for some and not for others.
fn letter(n: i64) -> DeadLetter {
    let one_of = |words: &[&str]| words[usize::try_from(n).expect("positive") % words.len()].to_owned();
    let id = u128::try_from(n).expect("positive");
    let subject = format!("activity-{}", Uuid::from_u128(0x0192_9d5e_0000_7000_8000_0000_0000_0000 + id % 5));
    let event = EventEnvelope {
        id: Uuid::from_u128(id),
        source: "/activelog".to_owned(),
        name: one_of(&["activity.created", "activity.updated", "activity.deleted"]),
        partition_key: subject.clone(),
        subject,
        time: FIRST,
        content_type: JSON.to_owned(),
        version: 1,
        sequence: 1,
        correlation_id: Uuid::from_u128(id),
        causation_id: None,
        trace: None,
        data: Bytes::from_static(b"{}"),
    };
    let died_at = FIRST + DAY * i32::try_from(n).expect("few");
    let failures = Failures { attempts: 3, first_at: died_at, last_at: died_at, error: "no figures".to_owned() };
    let place = |count: usize, by: i64| usize::try_from(n / by).expect("positive") % count;
    DeadLetter {
        id: n,
        addressed: Addressed {
            handler: one_of(&["period-statistics", "leaderboard"]),
            group: "activelog".to_owned(),
            event: Arc::new(event),
        },
        state: DeadLetterState::ALL[place(DeadLetterState::ALL.len(), 3)],
        died_at,
        changed_at: died_at,
        holds: false,
        death: Death { reason: DeathReason::ALL[place(DeathReason::ALL.len(), 5)], failures },
        earlier: Vec::new(),
    }
}

#[async_trait]
impl DeadLetters for Letters {
    async fn list(
        &self,
        filter: &DeadLetterFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Listed<DeadLetter>, StorageError> {
        assert!((1..=PARKING_PAGE_MAX).contains(&limit), "a page of {limit}");
        let limit = usize::try_from(limit).expect("small");
        let mut left = self.matching(filter).rev().filter(|letter| before.is_none_or(|before| letter.id < before));
        let items: Vec<_> = left.by_ref().take(limit).cloned().collect();
        let next = left.next().and(items.last()).map(|last| last.id);
        Ok(Listed { items, next })
    }

    async fn find(&self, id: i64) -> Result<Option<DeadLetter>, StorageError> {
        Ok(self.all.iter().find(|letter| letter.id == id).cloned())
    }

    async fn count(&self, filter: &DeadLetterFilter) -> Result<u64, StorageError> {
        Ok(self.matching(filter).count() as u64)
    }

    async fn replay(&self, id: i64) -> Result<bool, StorageError> {
        Ok(self.act(id))
    }

    async fn discard(&self, id: i64) -> Result<bool, StorageError> {
        Ok(self.act(id))
    }

    async fn prune(&self, _: Timestamp, _: u32) -> Result<u64, StorageError> {
        Ok(0)
    }
}
