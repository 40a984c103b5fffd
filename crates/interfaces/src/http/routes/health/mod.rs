//! `/health`: one operation per file.

mod all;
mod components;
mod live;
mod ready;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::http::state::Http;

pub(super) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(all::health)).routes(routes!(live::live)).routes(routes!(ready::ready))
}
