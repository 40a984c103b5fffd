//! HTTP, worker and command line: how the outside reaches the application

pub mod http;
