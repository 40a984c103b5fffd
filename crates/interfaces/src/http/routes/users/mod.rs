//! `/users/{id}`: one operation per file.

mod achievements;
mod known;
mod notifications;
mod read_notification;
mod statistics;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::http::state::Http;

pub(super) fn reads() -> OpenApiRouter<Http> {
    OpenApiRouter::default()
        .routes(routes!(statistics::get_statistics))
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(achievements::list_achievements))
}

pub(super) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(read_notification::read_notification))
}
