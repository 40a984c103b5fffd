//! Back-pressure, retention and scheduled events on storage in memory, with a clock that the tests move.

#![expect(clippy::expect_used, reason = "a set-up that fails has failed the test")]

mod backpressure;
mod retention;
mod scheduling;
mod setting;
