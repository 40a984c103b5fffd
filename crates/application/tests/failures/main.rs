//! What an operator does about failed events, on storage in memory.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

mod many;
mod one;
mod setting;
