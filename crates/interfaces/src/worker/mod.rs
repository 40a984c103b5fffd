//! The background worker: subscribes and routes consumed events to their handlers, for as long as it is not told to stop.

mod subscriber_loop;

pub use subscriber_loop::Worker;
