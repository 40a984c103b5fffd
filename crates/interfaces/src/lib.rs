//! How the outside reaches the application: HTTP, the worker that consumes events, and the command line. This layer never names
//! an adapter.

pub mod cli;
pub mod http;
mod selection;
pub mod worker;
