//! Between broker and handler: what is fetched goes through lanes, layers and the inbox to every handler registered for it, and
//! is acknowledged when all of them have committed.
//!
//! - [`EventHandler`]: what reacts to an event, in a transaction of its own.
//! - [`Router`]: which handlers an event goes to. Any number per event.
//! - [`Consumer`]: pumps a delivery stream through lanes: order within a partition key, concurrency across keys.
//! - [`Layer`]: what surrounds every invocation of a handler, one file each.
//! - [`FailurePolicy`]: what happens when a handler fails.
//!
//! # Adding a handler
//!
//! Write one file in the `handlers` folder of its area: a struct with a stable name, an `impl EventHandler<E, U>` per event, its
//! tests. Register it where the application is put together: `router.on::<ActivityCreated>(handler)`.

mod consumer;
mod failure;
mod handler;
mod invocation;
mod lanes;
mod layers;
mod router;

pub use consumer::{Consumer, ConsumerOptions, ConsumerStatus};
pub use failure::{FailurePolicy, NextStep};
pub use handler::{EventHandler, HandlerError, Received};
pub use invocation::{Handled, Invocation, InvocationError};
pub use layers::{Layer, RetryLayer, SpanLayer};
pub use router::{Router, RouterError, Routes};
