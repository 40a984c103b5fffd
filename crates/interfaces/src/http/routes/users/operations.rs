use utoipa_axum::{router::OpenApiRouter, routes};

use super::{achievements, notifications, read_notification, statistics, webhooks};
use crate::http::state::Http;

pub(in crate::http::routes) fn reads() -> OpenApiRouter<Http> {
    OpenApiRouter::default()
        .routes(routes!(statistics::get_statistics))
        .routes(routes!(notifications::list_notifications))
        .routes(routes!(achievements::list_achievements))
}

pub(in crate::http::routes) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(read_notification::read_notification)).merge(webhooks::routes())
}
