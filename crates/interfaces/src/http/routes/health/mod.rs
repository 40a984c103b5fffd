//! `/health`: one operation per file.

mod all;
mod components;
mod live;
mod operations;
mod ready;

pub(super) use operations::routes;
