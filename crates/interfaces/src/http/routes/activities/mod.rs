//! `/activities`: one operation per file.

mod create;
mod delete;
mod fields;
mod get;
mod list;
mod operations;
mod precondition;
mod update;

pub(super) use operations::{reads, routes};
