//! The broker in memory: for tests, and for a single process that may lose events with its life.
//!
//! Published events go into one bounded history, which is also every group's queue: a group is a cursor into it. So a late
//! group gets what the history still has, and an event is kept once however many groups there are.
//!
//! **Back-pressure.** When the history is full ([`MemoryOptions`]), the oldest events that no *live* group (one with an open stream)
//! still has to acknowledge make room; if there are none, publishing waits. A group without a stream never holds
//! up publishing: it may miss events, which is logged when it comes back.
//!
//! **Members of one group** ask for the same patterns; a stream that asks for others while the group is live is refused.
//!
//! Nothing foreign is called under the broker's lock: events are cloned and dropped, and tasks are woken, outside of it.

mod broker;
mod core;
mod factory;
mod probe;
mod publisher;
mod state;
mod stream;
mod subscriber;

pub use broker::{MemoryBroker, MemoryOptions};
pub use factory::MemoryFactory;
pub use publisher::MemoryPublisher;
pub use stream::MemoryDeliveryStream;
pub use subscriber::MemorySubscriber;
