use activelog_domain::user::UserId;
use axum::{extract::State, http::StatusCode, response::Response};

use crate::http::{
    extract::{ActingUser, Params, PathId, WebhookId},
    problem::Problem,
    state::Http,
    views::{WebhookView, json},
};

/// Get a webhook
///
/// With what has gone wrong since the last delivery that went right.
#[utoipa::path(
    get,
    path = "/users/{id}/webhooks/{webhook_id}",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The user."),
        ("webhook_id" = uuid::Uuid, Path, description = "The webhook."),
    ),
    responses((status = 200, description = "The webhook, without its secret.", body = WebhookView)),
)]
pub(super) async fn get_webhook(
    State(http): State<Http>,
    acting: ActingUser,
    PathId(id): PathId,
    WebhookId(webhook): WebhookId,
    params: Params,
) -> Result<Response, Problem> {
    let user = UserId(id);
    params.finish()?;
    acting.may_see(user)?;
    let found = http.read(http.webhook_store().webhook(user, webhook)).await?;
    let found = found.ok_or_else(|| Problem::not_found("webhook", webhook))?;
    json(StatusCode::OK, &WebhookView::from(&found))
}
