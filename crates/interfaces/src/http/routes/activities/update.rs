use activelog_application::activity::use_cases::UpdateActivity;
use activelog_domain::activity::{Activity, ActivityChanges};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::Response,
};
use jiff::Timestamp;

use super::{
    fields::{self, ActivityPatchBody},
    precondition::expected_version,
};
use crate::http::{
    extract::{ActingUser, IfMatch, MergePatchBody, Params, PathId, RequestScope},
    json_object::Fields,
    problem::Problem,
    state::Http,
    views::{ActivityView, etag, json},
};

/// Change an activity
///
/// A JSON merge patch (RFC 7396). A change that changes nothing keeps the version.
#[utoipa::path(
    patch,
    path = "/activities/{id}",
    tag = "activities",
    params(("id" = uuid::Uuid, Path, description = "The activity.")),
    request_body(
        description = "What to change.",
        content((ActivityPatchBody = "application/merge-patch+json"), (ActivityPatchBody = "application/json")),
    ),
    responses((
        status = 200,
        description = "The activity as it now is.",
        body = ActivityView,
        headers(("ETag" = String, description = "Its version in quotes.")),
    )),
)]
pub(super) async fn update_activity(
    State(http): State<Http>,
    acting: ActingUser,
    scope: RequestScope,
    PathId(id): PathId,
    params: Params,
    IfMatch(expected): IfMatch,
    MergePatchBody(body): MergePatchBody,
) -> Result<Response, Problem> {
    params.finish()?;
    let changes = changes(&body, http.0.state.clock.now())?;
    let expected = expected_version(&http, acting, id, expected).await?;
    let run = http.log().update(UpdateActivity { actor: acting.0, id, expected, changes });
    let outputs = run.context(scope.context()).timeout(http.options().request_timeout).await?;
    let activity = outputs.get::<Activity>().ok_or_else(|| Problem::internal(Missing))?;
    let mut response = json(StatusCode::OK, &ActivityView::from(&*activity))?;
    response.headers_mut().insert(header::ETAG, etag(activity.version));
    Ok(response)
}

/// The changes a body describes, or everything that is wrong with it.
fn changes(body: &[u8], now: Timestamp) -> Result<ActivityChanges, Problem> {
    let mut given = Fields::parse(body, fields::CHANGEABLE, fields::FIXED)?;
    let changes = ActivityChanges {
        activity_type: given.change("type", fields::activity_type),
        title: given.change("title", fields::title),
        duration: given.change("duration_minutes", fields::duration),
        activity_date: given.change("activity_date", |date| fields::activity_date(date, now)),
        description: given.removable("description", fields::description),
        distance: given.removable("distance_km", fields::distance),
        calories: given.removable("calories_burned", fields::calories),
        notes: given.removable("notes", fields::notes),
        tags: given.removable("tags", fields::tags).map(Option::unwrap_or_default),
    };
    given.finish()?;
    Ok(changes)
}

/// The chain did not provide what its contract says.
#[derive(Debug, thiserror::Error)]
#[error("the update provided no activity")]
struct Missing;
