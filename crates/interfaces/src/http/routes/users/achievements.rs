use activelog_domain::user::UserId;
use axum::{extract::State, http::StatusCode, response::Response};

use super::known::known_totals;
use crate::http::{
    extract::{ActingUser, Params, PathId},
    problem::Problem,
    state::Http,
    views::{AchievementView, Page, json},
};

/// A user's achievements
///
/// All of them, by code: there is never a next page.
#[utoipa::path(
    get,
    path = "/users/{id}/achievements",
    tag = "users",
    params(("id" = uuid::Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The achievements.", body = Page<AchievementView>)),
)]
pub(super) async fn list_achievements(
    State(http): State<Http>,
    acting: ActingUser,
    PathId(id): PathId,
    params: Params,
) -> Result<Response, Problem> {
    let user = UserId(id);
    params.finish()?;
    acting.may_see(user)?;
    let earned = http.read(http.queries().achievements(user)).await?;
    if earned.is_empty() {
        known_totals(&http, user).await?;
    }
    let items = earned.iter().map(AchievementView::from).collect();
    json(StatusCode::OK, &Page { items, next_cursor: None })
}
