use axum::{extract::State, http::StatusCode, response::Response};

use crate::http::{
    extract::{ActingUser, DeadLetterId, Params},
    problem::Problem,
    state::Http,
    views::{WholeDeadLetterView, json},
};

/// Get a dead letter
///
/// With its event, its whole error and its earlier deaths.
#[utoipa::path(
    get,
    path = "/dead-letters/{id}",
    tag = "dead letters",
    params(("id" = i64, Path, description = "The dead letter's number.", example = 17)),
    responses((status = 200, description = "The dead letter.", body = WholeDeadLetterView)),
)]
pub(super) async fn get_dead_letter(
    State(http): State<Http>,
    acting: ActingUser,
    DeadLetterId(id): DeadLetterId,
    params: Params,
) -> Result<Response, Problem> {
    params.finish()?;
    acting.is_operator()?;
    show(&http, id).await
}

/// Answers the dead letter as it now is.
pub(super) async fn show(http: &Http, id: i64) -> Result<Response, Problem> {
    let found = http.read(http.failures().show(id)).await?;
    let letter = found.ok_or_else(|| Problem::not_found("dead letter", id))?;
    json(StatusCode::OK, &WholeDeadLetterView::from(&letter))
}
