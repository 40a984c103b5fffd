use activelog_application::webhook::use_cases::ChosenWebhook;
use activelog_domain::user::UserId;
use axum::{extract::State, http::StatusCode};

use crate::http::{
    extract::{ActingUser, NoBody, Params, PathId, RequestScope, WebhookId},
    problem::Problem,
    state::Http,
};

/// Delete a webhook
///
/// What it has not got yet is not sent any more.
#[utoipa::path(
    delete,
    path = "/users/{id}/webhooks/{webhook_id}",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The user."),
        ("webhook_id" = uuid::Uuid, Path, description = "The webhook."),
    ),
    responses((status = 204, description = "Deleted.")),
)]
pub(super) async fn delete_webhook(
    State(http): State<Http>,
    acting: ActingUser,
    scope: RequestScope,
    PathId(id): PathId,
    WebhookId(webhook): WebhookId,
    params: Params,
    NoBody: NoBody,
) -> Result<StatusCode, Problem> {
    params.finish()?;
    let run = http.webhooks().delete(ChosenWebhook { actor: acting.0, user: UserId(id), webhook });
    run.context(scope.context()).timeout(http.options().request_timeout).await?;
    Ok(StatusCode::NO_CONTENT)
}
