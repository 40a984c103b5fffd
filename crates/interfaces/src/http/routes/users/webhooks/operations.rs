use utoipa_axum::{router::OpenApiRouter, routes};

use super::{create, delete, enable, get, list, rotate_secret};
use crate::http::state::Http;

pub(in crate::http::routes::users) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default()
        .routes(routes!(create::create_webhook, list::list_webhooks))
        .routes(routes!(get::get_webhook, delete::delete_webhook))
        .routes(routes!(enable::enable_webhook))
        .routes(routes!(rotate_secret::rotate_webhook_secret))
}
