use activelog_application::{
    orchestrator::Outputs,
    ports::StoredResponse,
    webhook::{Webhook, use_cases::ChosenWebhook},
};
use activelog_domain::user::UserId;
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};

use crate::http::{
    extract::{ActingUser, IdempotencyHeader, NoBody, Params, PathId, RequestScope, WebhookId},
    problem::Problem,
    run::{self, Post},
    state::Http,
    views::WebhookView,
};

/// Enable a webhook
///
/// One that was disabled gets events again from now on; what it has missed is not sent. Its failures are forgotten.
#[utoipa::path(
    post,
    path = "/users/{id}/webhooks/{webhook_id}/enable",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The user."),
        ("webhook_id" = uuid::Uuid, Path, description = "The webhook."),
    ),
    responses((status = 200, description = "The webhook as it now is.", body = WebhookView)),
)]
#[expect(clippy::too_many_arguments, reason = "an argument for each thing the operation takes from a request")]
pub(super) async fn enable_webhook(
    State(http): State<Http>,
    acting: ActingUser,
    scope: RequestScope,
    uri: Uri,
    PathId(id): PathId,
    WebhookId(webhook): WebhookId,
    params: Params,
    IdempotencyHeader(key): IdempotencyHeader,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    params.finish()?;
    let run = http.webhooks().enable(ChosenWebhook { actor: acting.0, user: UserId(id), webhook });
    let operation = "POST /users/{id}/webhooks/{webhook_id}/enable";
    let post = Post { operation, path: uri.path(), body: b"", key, acting };
    run::post(&http, &scope, post, run, encode).await
}

fn encode(outputs: &Outputs) -> StoredResponse {
    let webhook = outputs.get::<Webhook>();
    run::stored(StatusCode::OK, &[], webhook.as_deref().map(WebhookView::from).as_ref())
}
