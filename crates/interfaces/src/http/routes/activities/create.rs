use activelog_application::{activity::use_cases::NewActivity, orchestrator::Outputs, ports::StoredResponse};
use activelog_domain::activity::{Activity, ActivityDraft};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use jiff::Timestamp;

use super::fields::{self, NewActivityBody};
use crate::http::{
    broken_rules::BrokenRules,
    extract::{ActingUser, IdempotencyHeader, JsonBody, Params, RequestScope},
    json_object::Fields,
    problem::Problem,
    run::{self, Post},
    state::Http,
    views::ActivityView,
};

/// Create an activity
///
/// Stores the activity, notifies its user and adds to their totals, in one transaction. Weekly and monthly figures,
/// achievements and leaderboards follow a moment later.
#[utoipa::path(
    post,
    path = "/activities",
    tag = "activities",
    request_body(content = NewActivityBody, content_type = "application/json"),
    responses((
        status = 201,
        description = "Stored.",
        body = ActivityView,
        headers(
            ("Location" = String, description = "The activity's path."),
            ("ETag" = String, description = "Its version in quotes."),
        ),
    )),
)]
pub(super) async fn create_activity(
    State(http): State<Http>,
    acting: ActingUser,
    scope: RequestScope,
    uri: Uri,
    params: Params,
    IdempotencyHeader(key): IdempotencyHeader,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    params.finish()?;
    let draft = draft(&body, http.0.state.clock.now())?;
    let run = http.log().create(NewActivity { actor: acting.0, draft });
    let post = Post { operation: "POST /activities", path: uri.path(), body: &body, key, acting };
    run::post(&http, &scope, post, run, encode).await
}

/// The activity a body describes, or everything that is wrong with it.
fn draft(body: &[u8], now: Timestamp) -> Result<ActivityDraft, Problem> {
    let mut given = Fields::parse(body, fields::NEW, fields::DECIDED)?;
    let user_id = given.required("user_id", fields::user_id);
    let activity_type = given.required("type", fields::activity_type);
    let title = given.required("title", fields::title);
    let duration = given.required("duration_minutes", fields::duration);
    let activity_date = given.required("activity_date", |date| fields::activity_date(date, now));
    let description = given.optional("description", fields::description);
    let distance = given.optional("distance_km", fields::distance);
    let calories = given.optional("calories_burned", fields::calories);
    let notes = given.optional("notes", fields::notes);
    let tags = given.optional("tags", fields::tags).unwrap_or_default();
    given.finish()?;
    let (Some(user_id), Some(activity_type), Some(title), Some(duration), Some(activity_date)) =
        (user_id, activity_type, title, duration, activity_date)
    else {
        // A required field that is not there was noted as an error.
        return Err(Problem::validation(BrokenRules::default()));
    };
    Ok(ActivityDraft {
        user_id,
        activity_type,
        title,
        description,
        duration,
        distance,
        calories,
        notes,
        tags,
        activity_date,
    })
}

fn encode(outputs: &Outputs) -> StoredResponse {
    let activity = outputs.get::<Activity>();
    let (id, version) = activity.as_ref().map(|a| (a.id, a.version)).unwrap_or_default();
    let headers = [("location", format!("/activities/{id}")), ("etag", format!("\"{version}\""))];
    run::stored(StatusCode::CREATED, &headers, activity.as_deref().map(ActivityView::from).as_ref())
}
