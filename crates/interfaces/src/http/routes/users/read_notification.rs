use activelog_application::{activity::use_cases::MarkNotificationRead, orchestrator::Outputs, ports::StoredResponse};
use activelog_domain::{notification::Notification, user::UserId};
use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};

use crate::http::{
    extract::{ActingUser, IdempotencyHeader, NoBody, NotificationId, Params, PathId, RequestScope},
    problem::Problem,
    run::{self, Post},
    state::Http,
    views::NotificationView,
};

/// Mark a notification as read
///
/// Doing it again keeps the first time.
#[utoipa::path(
    post,
    path = "/users/{id}/notifications/{notification_id}/read",
    tag = "users",
    params(
        ("id" = uuid::Uuid, Path, description = "The user."),
        ("notification_id" = uuid::Uuid, Path, description = "The notification."),
    ),
    responses((status = 200, description = "The notification as it now is.", body = NotificationView)),
)]
#[expect(clippy::too_many_arguments, reason = "an argument for each thing the operation takes from a request")]
pub(super) async fn read_notification(
    State(http): State<Http>,
    acting: ActingUser,
    scope: RequestScope,
    uri: Uri,
    PathId(id): PathId,
    NotificationId(notification): NotificationId,
    params: Params,
    IdempotencyHeader(key): IdempotencyHeader,
    NoBody: NoBody,
) -> Result<Response, Problem> {
    params.finish()?;
    let input = MarkNotificationRead { actor: acting.0, user: UserId(id), notification };
    let run = http.log().mark_notification_read(input);
    let operation = "POST /users/{id}/notifications/{notification_id}/read";
    let post = Post { operation, path: uri.path(), body: b"", key, acting };
    run::post(&http, &scope, post, run, encode).await
}

fn encode(outputs: &Outputs) -> StoredResponse {
    let notification = outputs.get::<Notification>();
    run::stored(StatusCode::OK, &[], notification.as_deref().map(NotificationView::from).as_ref())
}
