//! `/dead-letters` and `/parked`: one operation per file.
//!
//! No POST here takes an `Idempotency-Key`: none is needed. A dead letter that was replayed or discarded is not dead any more, so that
//! sending a request again changes nothing.

mod act;
mod act_on_many;
mod choice;
mod get;
mod list;
mod list_parked;
mod operations;

pub(super) use operations::{reads, routes};
