use activelog_application::activity::ports::ActivityFilter;
use activelog_domain::user::{Actor, UserId};
use axum::{extract::State, http::StatusCode, response::Response};

use crate::http::{
    cursor::{self, List},
    extract::{ActingUser, Params},
    problem::Problem,
    state::Http,
    views::{ActivityView, Page, json},
};

/// List activities
///
/// Newest activity date first.
#[utoipa::path(
    get,
    path = "/activities",
    tag = "activities",
    params(
        ("user_id" = Option<uuid::Uuid>, Query, description = "Whose."),
        ("type" = Option<String>, Query, description = "Which type.", example = "run"),
        ("from" = Option<String>, Query, description = "Not before this instant or day: inclusive.", example = "2026-03-01"),
        ("to" = Option<String>, Query, description = "Before this instant or day: exclusive, so `2026-04-01` is the end of March.", example = "2026-04-01"),
    ),
    responses((status = 200, description = "A page of activities.", body = Page<ActivityView>)),
)]
pub(super) async fn list_activities(
    State(http): State<Http>,
    acting: ActingUser,
    mut params: Params,
) -> Result<Response, Problem> {
    let mut filter = ActivityFilter {
        user_id: params.uuid("user_id").map(UserId),
        activity_type: params.activity_type(),
        from: params.instant("from"),
        to: params.instant("to"),
    };
    if let (Some(from), Some(to)) = (filter.from, filter.to)
        && from > to
    {
        params.refuse("from", "must not be after to", &from.to_string());
    }
    let page = params.keyset(List::Activities);
    params.finish()?;
    match (filter.user_id, acting.0) {
        (Some(user), _) => acting.may_see(user)?,
        (None, Actor::User(own)) => filter.user_id = Some(own),
        (None, Actor::Operator) => {}
    }
    let rows = http.read(http.queries().activities(&filter, page)).await?;
    let after =
        |a: &activelog_domain::activity::Activity| cursor::keyset(List::Activities, (a.activity_date.instant(), a.id));
    json(StatusCode::OK, &Page::of(&rows, page.limit, ActivityView::from, after))
}
