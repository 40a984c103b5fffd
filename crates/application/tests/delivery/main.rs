//! What can be relied on between broker and handler.

#![expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

mod blocking;
mod bounds;
mod crashing;
mod effects;
mod failing;
mod lanes;
mod lanes_model;
mod once;
mod parking;
mod routing;
mod setting;
mod stopping;
mod stream;
