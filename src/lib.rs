//! The composition root: the only place that knows the adapters, and puts them together as the configuration says.
//!
//! - [`config`]: what can be configured, and the layers it is put together from.
//! - [`commands`]: what the commands of the command line print and answer.
//! - `bootstrap`: opens storage and broker, puts the application together, runs the roles.
//! - [`run()`]: from arguments to an exit status.

mod bootstrap;
pub mod commands;
pub mod config;
mod program;

pub use program::run;
