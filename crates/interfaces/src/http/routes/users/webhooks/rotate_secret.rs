use activelog_application::{orchestrator::Outputs, ports::StoredResponse, webhook::use_cases::ChosenWebhook};
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
    views::WebhookWithSecretView,
};

/// Give a webhook a new secret
///
/// The answer shows it, and nothing shows it again. For 24 hours deliveries carry a signature by each of the two, so that the receiver can
/// change over; of a secret that others have got, be rid at once by doing this twice.
#[utoipa::path(
    post,
    path = "/users/{id}/webhooks/{webhook_id}/rotate-secret",
    tag = "webhooks",
    params(
        ("id" = uuid::Uuid, Path, description = "The user."),
        ("webhook_id" = uuid::Uuid, Path, description = "The webhook."),
    ),
    responses((status = 200, description = "The webhook and its new secret.", body = WebhookWithSecretView)),
)]
#[expect(clippy::too_many_arguments, reason = "an argument for each thing the operation takes from a request")]
pub(super) async fn rotate_webhook_secret(
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
    let run = http.webhooks().rotate_secret(ChosenWebhook { actor: acting.0, user: UserId(id), webhook });
    let operation = "POST /users/{id}/webhooks/{webhook_id}/rotate-secret";
    let post = Post { operation, path: uri.path(), body: b"", key, acting };
    run::post(&http, &scope, post, run, encode).await
}

fn encode(outputs: &Outputs) -> StoredResponse {
    WebhookWithSecretView::stored(StatusCode::OK, &[], outputs)
}
