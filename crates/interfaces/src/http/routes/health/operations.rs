use utoipa_axum::{router::OpenApiRouter, routes};

use super::{all, live, ready};
use crate::http::state::Http;

pub(in crate::http::routes) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(all::health)).routes(routes!(live::live)).routes(routes!(ready::ready))
}
