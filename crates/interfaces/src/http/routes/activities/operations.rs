use utoipa_axum::{router::OpenApiRouter, routes};

use super::{create, delete, get, list, update};
use crate::http::state::Http;

pub(in crate::http::routes) fn reads() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(list::list_activities))
}

pub(in crate::http::routes) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(create::create_activity)).routes(routes!(
        get::get_activity,
        update::update_activity,
        delete::delete_activity
    ))
}
