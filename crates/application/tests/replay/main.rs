//! Replaying the journal for a projection: whatever it had become, it is what the events say, and everything else goes on meanwhile.

#![expect(clippy::expect_used, reason = "a test that cannot go on says where")]

mod interrupting;
mod rebuilding;
mod setting;
