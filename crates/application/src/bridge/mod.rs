//! From one broker to another: a live stream is copied, with the ids of its events and their order.
//!
//! An event is acknowledged at the source only after the target has taken it. Whatever is killed, whenever: nothing is lost, and what was under way
//! is copied again, under the same id and before everything that comes later of its key.

mod copier;
mod error;
mod options;
mod progress;
mod refused_events;

pub use copier::Bridge;
pub use error::BridgeError;
pub use options::BridgeOptions;
pub use progress::{BridgeEnd, BridgeProgress};
pub use refused_events::{RefusedEvents, RefusedEventsError};
