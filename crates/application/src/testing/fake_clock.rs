use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use crate::ports::{Clock, IdGenerator};

/// A clock that stands still until it is told otherwise.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// A clock that shows `at`, to the microsecond.
    pub fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.as_microsecond()))
    }

    /// Moves the clock on.
    pub fn advance(&self, by: SignedDuration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Default for FakeClock {
    /// A clock that shows 2026-03-12T18:00:00Z.
    fn default() -> Self {
        Self(AtomicI64::new(1_773_338_400_000_000))
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

/// A clock that runs with `tokio::time`: a test that pauses time decides it. Begins at 2026-03-12T18:00:00Z.
#[derive(Debug)]
pub struct TokioClock(Instant);

impl Default for TokioClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.0.elapsed()).unwrap_or(SignedDuration::MAX);
        FakeClock::default().now().saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

/// Ids that count: valid UUIDv7s whose time is 2026-03-12, so that tests read which came first.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

impl IdGenerator for SequentialIds {
    fn next_id(&self) -> Uuid {
        const MILLISECONDS: u128 = 1_773_338_400_000;
        const VERSION_AND_VARIANT: u128 = 0x7000_8000_0000_0000_0000;
        let n = u128::from(self.0.fetch_add(1, Ordering::SeqCst) + 1);
        Uuid::from_u128(MILLISECONDS << 80 | VERSION_AND_VARIANT | n)
    }
}
