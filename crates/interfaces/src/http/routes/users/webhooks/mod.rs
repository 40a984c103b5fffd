//! `/users/{id}/webhooks`: one operation per file.

mod create;
mod delete;
mod enable;
mod fields;
mod get;
mod list;
mod operations;
mod rotate_secret;

pub(super) use operations::routes;
