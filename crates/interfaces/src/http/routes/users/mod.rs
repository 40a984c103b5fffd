//! `/users/{id}`: one operation per file.

mod achievements;
mod known;
mod notifications;
mod operations;
mod read_notification;
mod statistics;
mod webhooks;

pub(super) use operations::{reads, routes};
