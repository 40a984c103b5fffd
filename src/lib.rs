//! The composition root: the only place that knows the adapters, and puts them together as the configuration says.
//!
//! - [`bootstrap`]: the adapters, the application on them, and its roles.
//! - [`config`]: what can be configured, and the layers it is put together from.
//! - [`commands`]: what the commands of the command line print and answer.

pub mod bootstrap;
pub mod commands;
pub mod config;
#[cfg(feature = "fault-injection")]
pub mod fault_injection;
