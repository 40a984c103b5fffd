//! Many use cases, one transaction.
//!
//! A [`UseCase`] declares as types what it needs and what it provides. A [`Chain`] of them is checked when it is built:
//! a need that nothing before it provides is an error then, not when a user waits. The [`Orchestrator`] runs a checked chain in one
//! transaction, in which each use case sees what those before it provided and did, and events recorded on the way go
//! to the outbox with it.
//!
//! What can be relied on:
//!
//! - An error, a panic or the timeout of any use case rolls everything back. The error names the use case.
//! - A caller that gives up (a client that disconnects) cancels nothing half-way: the transaction runs in a task of its own.
//! - After an error that is not [`OrchestratorError::Unknown`], nothing was committed and nothing will be.
//! - Serialization failures and deadlocks run the whole chain again, a bounded number of times, with jitter.
//!
//! # Adding a use case
//!
//! Write one file in the `use_cases` folder of its area: a struct, its `impl UseCase`, its error, its tests. Name what it needs
//! and provides as types, use `step.tx()` for repositories and `step.record(…)` for events. Then add it to a chain.

mod chain;
mod context;
mod engine;
mod error;
mod function;
mod run;
mod step;
mod use_case;
mod values;

pub use chain::{Chain, ChainError, CheckedChain};
pub use context::RequestContext;
pub use engine::{Orchestrator, OrchestratorOptions};
pub(crate) use engine::{Work, panic_message};
pub use error::{OrchestratorError, UseCaseError};
pub use function::{FunctionUseCase, use_case_fn};
pub use run::{IdempotentOutcome, IdempotentRun, Run};
pub use step::Step;
pub use use_case::UseCase;
pub use values::{Needs, Outputs, Provides, TypeKey};
