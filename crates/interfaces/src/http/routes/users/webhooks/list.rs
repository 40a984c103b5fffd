use activelog_domain::user::UserId;
use axum::{extract::State, http::StatusCode, response::Response};

use crate::http::{
    extract::{ActingUser, Params, PathId},
    problem::Problem,
    state::Http,
    views::{Page, WebhookView, json},
};

/// A user's webhooks
///
/// All of them, oldest first: there is never a next page.
#[utoipa::path(
    get,
    path = "/users/{id}/webhooks",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The user.")),
    responses((status = 200, description = "The webhooks.", body = Page<WebhookView>)),
)]
pub(super) async fn list_webhooks(
    State(http): State<Http>,
    acting: ActingUser,
    PathId(id): PathId,
    params: Params,
) -> Result<Response, Problem> {
    let user = UserId(id);
    params.finish()?;
    acting.may_see(user)?;
    let webhooks = http.read(http.webhook_store().webhooks(user)).await?;
    json(StatusCode::OK, &Page { items: webhooks.iter().map(WebhookView::from).collect(), next_cursor: None })
}
