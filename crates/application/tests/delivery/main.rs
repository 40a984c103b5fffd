//! What can be relied on between broker and handler.

mod bounds;
mod failing;
mod lanes;
mod once;
mod routing;
mod setting;
mod stopping;
mod stream;
