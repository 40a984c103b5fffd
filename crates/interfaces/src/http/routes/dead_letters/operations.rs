use utoipa_axum::{router::OpenApiRouter, routes};

use super::{act, act_on_many, get, list, list_parked};
use crate::http::state::Http;

pub(in crate::http::routes) fn reads() -> OpenApiRouter<Http> {
    OpenApiRouter::default()
        .routes(routes!(list::list_dead_letters))
        .routes(routes!(get::get_dead_letter))
        .routes(routes!(list_parked::list_parked))
}

pub(in crate::http::routes) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default()
        .routes(routes!(act::replay_dead_letter))
        .routes(routes!(act::discard_dead_letter))
        .routes(routes!(act_on_many::replay_dead_letters))
        .routes(routes!(act_on_many::discard_dead_letters))
}
