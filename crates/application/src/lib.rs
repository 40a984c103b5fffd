//! The application layer: what is done, and the traits by which the outside takes part in it. It knows no driver, no HTTP
//! and no SQL.
//!
//! - [`ports`]: every trait the outside implements. A trait's comment is its contract.
//! - [`orchestrator`]: many use cases, one transaction.
//! - [`relay`]: outbox to broker and journal.
//! - [`retention`]: how long what has been dealt with is kept.
//! - [`delivery`]: between broker and handler.
//! - [`bridge`]: from one broker to another.
//! - [`failures`]: what an operator does about failed events.
//! - [`backpressure`]: when more is written than is taken.
//! - [`activity`]: the use cases and event handlers of the activity log.
//! - [`webhook`]: telling other programs of what happens.
//! - `testing` (feature `testing`): conformance suites and fakes.
//!
//! All but [`activity`] and [`webhook`] know nothing of activities and serve any domain.

pub mod activity;
pub mod backpressure;
pub mod bridge;
pub mod delivery;
pub mod failures;
pub mod orchestrator;
pub mod ports;
pub mod relay;
pub mod retention;
mod sole_lease;
#[cfg(feature = "testing")]
pub mod testing;
pub mod webhook;
