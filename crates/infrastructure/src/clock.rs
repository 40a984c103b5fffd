//! The machine's clock.

use activelog_application::ports::Clock;
use jiff::Timestamp;

/// The machine's clock, cut to the microsecond: every store keeps exactly what was told.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the implementation of the port")]
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}
