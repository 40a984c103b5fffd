use activelog_domain::{notification::Notification, user::UserId};
use axum::{extract::State, http::StatusCode, response::Response};

use super::known::known_totals;
use crate::http::{
    cursor::{self, List},
    extract::{ActingUser, Params, PathId},
    problem::Problem,
    state::Http,
    views::{NotificationView, Page, json},
};

/// A user's notifications
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/users/{id}/notifications",
    tag = "users",
    params(("id" = uuid::Uuid, Path, description = "The user.")),
    responses((status = 200, description = "A page of notifications.", body = Page<NotificationView>)),
)]
pub(super) async fn list_notifications(
    State(http): State<Http>,
    acting: ActingUser,
    PathId(id): PathId,
    mut params: Params,
) -> Result<Response, Problem> {
    let user = UserId(id);
    let page = params.keyset(List::Notifications);
    params.finish()?;
    acting.may_see(user)?;
    let rows = http.read(http.queries().notifications(user, page)).await?;
    if rows.is_empty() {
        known_totals(&http, user).await?;
    }
    let after = |n: &Notification| cursor::keyset(List::Notifications, (n.created_at, n.id));
    json(StatusCode::OK, &Page::of(&rows, page.limit, NotificationView::from, after))
}
