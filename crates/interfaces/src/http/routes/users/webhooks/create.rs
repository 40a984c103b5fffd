use activelog_application::{
    orchestrator::Outputs,
    ports::StoredResponse,
    webhook::{Webhook, use_cases::NewWebhook},
};
use activelog_domain::user::UserId;
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};

use super::fields::{self, NewWebhookBody};
use crate::http::{
    extract::{ActingUser, IdempotencyHeader, JsonBody, Params, PathId, RequestScope},
    json_object::Fields,
    problem::Problem,
    run::{self, Post},
    state::Http,
    views::WebhookWithSecretView,
};

/// Register a webhook
///
/// From now on the user's events that it wants are sent to its URL, signed as the [Standard
/// Webhooks](https://www.standardwebhooks.com) specification says: `webhook-id` is the id of the event, the body the event as
/// CloudEvents JSON. Any 2xx answer takes a delivery; otherwise it is tried again for about half a day, later events waiting meanwhile.
/// The answer shows the signing secret, and nothing shows it again. A user has at most 20 webhooks.
#[utoipa::path(
    post,
    path = "/users/{id}/webhooks",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The user.")),
    request_body(content = NewWebhookBody, content_type = "application/json"),
    responses((
        status = 201,
        description = "Registered.",
        body = WebhookWithSecretView,
        headers(("Location" = String, description = "The webhook's path.")),
    )),
)]
#[expect(clippy::too_many_arguments, reason = "an argument for each thing the operation takes from a request")]
pub(super) async fn create_webhook(
    State(http): State<Http>,
    acting: ActingUser,
    scope: RequestScope,
    uri: Uri,
    PathId(id): PathId,
    params: Params,
    IdempotencyHeader(key): IdempotencyHeader,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    params.finish()?;
    let input = read(&http, acting, UserId(id), &body)?;
    let run = http.webhooks().register(input);
    let post = Post { operation: "POST /users/{id}/webhooks", path: uri.path(), body: &body, key, acting };
    run::post(&http, &scope, post, run, encode).await
}

/// The webhook a body describes, or everything that is wrong with it.
fn read(http: &Http, acting: ActingUser, user: UserId, body: &[u8]) -> Result<NewWebhook, Problem> {
    let reach = http.webhooks().options().reach;
    let mut given = Fields::parse(body, fields::NEW, fields::DECIDED)?;
    let url = given.required("url", |url| fields::url(url, reach));
    let events = given.required("events", fields::events);
    let description = given.optional("description", fields::description);
    given.finish()?;
    match (url, events) {
        (Some(url), Some(events)) => Ok(NewWebhook { actor: acting.0, user, url, events, description }),
        // What is required and missing has been told above.
        _ => Err(Problem::internal(std::fmt::Error)),
    }
}

fn encode(outputs: &Outputs) -> StoredResponse {
    let location = outputs.get::<Webhook>().map(|w| format!("/users/{}/webhooks/{}", w.user_id, w.id));
    let headers: Vec<(&str, String)> = location.into_iter().map(|path| ("location", path)).collect();
    WebhookWithSecretView::stored(StatusCode::CREATED, &headers, outputs)
}
