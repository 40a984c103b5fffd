//! The composition root: the only place that knows the adapters, and puts them together as the configuration says.
//!
//! - [`config`]: what can be configured, and the layers it is put together from.
//! - [`commands`]: what the commands of the command line print and answer.

pub mod commands;
pub mod config;
