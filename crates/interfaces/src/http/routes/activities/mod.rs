//! `/activities`: one operation per file.

mod create;
mod delete;
mod fields;
mod get;
mod list;
mod precondition;
mod update;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::http::state::Http;

pub(super) fn reads() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(list::list_activities))
}

pub(super) fn routes() -> OpenApiRouter<Http> {
    OpenApiRouter::default().routes(routes!(create::create_activity)).routes(routes!(
        get::get_activity,
        update::update_activity,
        delete::delete_activity
    ))
}
