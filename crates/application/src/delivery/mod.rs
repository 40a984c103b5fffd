//! Between broker and handler: what is fetched goes through lanes, layers and the inbox to every handler registered for it, and
//! is acknowledged when all of them have committed, or what failed is written down.
//!
//! - [`EventHandler`]: what reacts to an event, in a transaction of its own.
//! - [`Router`]: which handlers an event goes to. Any number per event.
//! - [`Consumer`]: pumps a delivery stream through lanes: order within a partition key, concurrency across keys.
//! - [`Layer`]: what surrounds every invocation of a handler, one file each.
//! - [`failure`]: what happens when a handler fails: quick attempts, parking, dead letters. [`Retrier`] tries parked events again.
//! - [`Replayer`]: makes projections anew from the journal.
//!
//! # Adding a handler
//!
//! Write one file in the `handlers` folder of its area: a struct with a stable name, an `impl EventHandler<E, U>` per event, its
//! tests. Register it where the application is put together: `router.on::<ActivityCreated>(handler)`. One whose effects are outside of the
//! database is an [`EffectHandler`], registered with `router.on_effect`.

mod consumer;
mod effect;
pub mod failure;
mod handler;
mod invocation;
mod lanes;
mod layers;
mod replay;
mod router;
mod watchdog;

pub use consumer::{Consumer, ConsumerOptions, ConsumerStatus};
pub use failure::{
    CrashGuard, CrashGuardLayer, FailureLayer, FailureMachine, FailurePolicy, NextStep, Policies, Retrier,
    RetrierOptions,
};
pub use handler::{EffectHandler, EventHandler, HandlerError, Projection, Received};
pub use invocation::{Entry, Handled, Invocation, InvocationError};
pub use layers::{ConcurrencyLayer, Layer, ParkFirstLayer, SpanLayer};
pub use replay::{ReplayError, ReplayRange, ReplayState, Replayer};
pub use router::{Router, RouterError, Routes};
pub use watchdog::{Blocked, Watchdog};
