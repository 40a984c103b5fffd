//! Time and ids that a test decides.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ports::{Clock, IdGenerator};

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock on, or back for a negative duration. It stops at the ends of time.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(by).unwrap_or(*now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids in the form of UUIDv7 that count up: the same in every run.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl SequentialIds {
    /// Ids that count up from `first`, for tests that share a database.
    pub fn starting_at(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }
}

impl IdGenerator for SequentialIds {
    fn next_id(&self) -> Uuid {
        let n = self.0.fetch_add(1, Ordering::Relaxed);
        let mut counter = [0; 10];
        counter[2..].copy_from_slice(&n.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(n >> 12, &counter).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_ascend() {
        let ids = SequentialIds::default();
        let made: Vec<Uuid> = (0..10_000).map(|_| ids.next_id()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert_eq!(made[9_999].get_version_num(), 7);
    }
}
