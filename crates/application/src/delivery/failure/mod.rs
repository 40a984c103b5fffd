//! What happens when a handler does not take an event: one state machine, for every handler and on every broker.
//!
//! ```text
//!                         ┌──────────── quick pause ───────────┐
//!                         ▼                                     │ fails, quick attempts are left
//!   delivered ──► attempt in the lane ──────────────────────────┤
//!       │            │ takes it                                 │ fails, none is left       cannot ever succeed:
//!       │            ▼                                          ▼                           permanent, undecodable, crashed
//!       │         TAKEN ◄──────────── takes it ──────────── PARKED ◄──── back-off ────┐                 │
//!       │         (inbox)                                       │  ▲                   │                 │
//!       │                                                       ▼  │ due: claimed by   │ fails           │
//!       └── an earlier event of its key is parked ──► parked    attempt ───────────────┤                 │
//!           for this handler                          behind it                        │ attempts used up│
//!                                                                                      ▼                 ▼
//!            replayed by an operator: parked again in its old place ◄──────────── DEAD LETTER ──► discarded
//! ```
//!
//! - An **attempt** is inbox, handler and effects in one transaction. An event is acknowledged when every one of its handlers has taken, parked
//!   or buried it, so a failing handler delays neither the others nor the broker.
//! - **Parked** is a row in the database, in a *lane* per handler and partition key. While a lane exists, later events of the key park behind;
//!   all other keys and handlers flow. One worker at a time claims a lane that is due and empties it in order; claims are fenced, so a worker that
//!   was frozen does no harm when it wakes up.
//! - A **dead letter** holds its lane, or lets it go on, as the handler's [`FailurePolicy`] says.
//! - **Outages are not failures**: while the database is away, nothing is counted and nothing is parked; the lane waits.
//! - **Crashes are not failures either**, yet an event that ends the process must not do so for ever: see [`CrashGuard`].

mod attempts;
mod crash_guard;
mod lane;
mod layer;
mod machine;
mod policy;
mod retrier;
mod void_marks;

pub use crash_guard::{CrashGuard, CrashGuardLayer};
pub use layer::FailureLayer;
pub use machine::FailureMachine;
pub use policy::{FailurePolicy, NextStep, Policies};
pub use retrier::{Retrier, RetrierOptions};
