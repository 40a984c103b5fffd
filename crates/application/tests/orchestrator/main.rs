//! What can be relied on when chains of use cases run in transactions.

mod building;
mod closing;
mod contention;
mod events;
mod idempotency;
mod results;
mod setting;
mod timeouts;
