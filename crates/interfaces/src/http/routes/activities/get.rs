use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::http::{
    extract::{ActingUser, IfNoneMatch, Params, PathId},
    problem::Problem,
    state::Http,
    views::{ActivityView, etag, json},
};

/// Get an activity
#[utoipa::path(
    get,
    path = "/activities/{id}",
    tag = "activities",
    params(
        ("id" = uuid::Uuid, Path, description = "The activity."),
        ("If-None-Match" = Option<String>, Header, description = "ETags of what the client has.", example = "\"1\""),
    ),
    responses(
        (
            status = 200,
            description = "The activity.",
            body = ActivityView,
            headers(("ETag" = String, description = "Its version in quotes.")),
        ),
        (
            status = 304,
            description = "The client has the current version.",
            headers(("ETag" = String, description = "Its version in quotes.")),
        ),
    ),
)]
pub(super) async fn get_activity(
    State(http): State<Http>,
    acting: ActingUser,
    PathId(id): PathId,
    params: Params,
    held: IfNoneMatch,
) -> Result<Response, Problem> {
    params.finish()?;
    let found = http.read(http.queries().activity(id)).await?;
    let activity = found.ok_or_else(|| Problem::not_found("activity", id))?;
    acting.may_see(activity.user_id)?;
    let mut response = if held.holds(activity.version) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json(StatusCode::OK, &ActivityView::from(&activity))?
    };
    response.headers_mut().insert(header::ETAG, etag(activity.version));
    Ok(response)
}
