use activelog_application::activity::use_cases::DeleteActivity;
use axum::{extract::State, http::StatusCode};

use super::precondition::expected_version;
use crate::http::{
    extract::{ActingUser, IfMatch, NoBody, Params, PathId, RequestScope},
    problem::Problem,
    state::Http,
};

/// Delete an activity
#[utoipa::path(
    delete,
    path = "/activities/{id}",
    tag = "activities",
    params(("id" = uuid::Uuid, Path, description = "The activity.")),
    responses((status = 204, description = "Deleted.")),
)]
pub(super) async fn delete_activity(
    State(http): State<Http>,
    acting: ActingUser,
    scope: RequestScope,
    PathId(id): PathId,
    params: Params,
    IfMatch(expected): IfMatch,
    NoBody: NoBody,
) -> Result<StatusCode, Problem> {
    params.finish()?;
    let expected = expected_version(&http, acting, id, expected).await?;
    let run = http.log().delete(DeleteActivity { actor: acting.0, id, expected });
    run.context(scope.context()).timeout(http.options().request_timeout).await?;
    Ok(StatusCode::NO_CONTENT)
}
